"""The statements of an account's life, at the server and in each of its databases. Pure.

An account is two things: a login of the server, and a user in every database that it may enter. A
contained account is a user with a password in one database, and no login.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from leasehold.plugin.statements import BadStatement
from leasehold_plugins.mssql import statements
from leasehold_plugins.mssql.statements import Values, identifier, listed, literal


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user in a database, and the account that it belongs to by its name or by its login."""

    database: str
    name: str
    account: str


def moment(expires_at: datetime) -> str:
    """A time as a literal holds it, in UTC."""
    return expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def inside(database: str, inner: str) -> str:
    """`inner`, run in a database without leaving the one that the session is in."""
    return f"EXEC {identifier(database)}.sys.sp_executesql {literal(inner)}"


def databases_of(role: Mapping[str, Any], home: str) -> Sequence[str]:
    """Where an account of the role has users."""
    return list(role.get("databases", ())) or [home]


def creation(role: Mapping[str, Any], values: Values, home: str, *, contained: bool) -> list[str]:
    """What makes the account, its login first, so that by it a half-made account is found."""
    if custom := role.get("creation_statements"):
        return statements.render(custom, values)
    name = identifier(values.name)
    groups = [f"ALTER ROLE {identifier(it)} ADD MEMBER {name}" for it in role["member_of"]]
    if contained:
        return [f"CREATE USER {name} WITH PASSWORD = {literal(values.password)}", *groups]
    secret = f"{values.verifier} HASHED" if values.verifier else literal(values.password)
    databases = databases_of(role, home)
    user = "; ".join([f"CREATE USER {name} FOR LOGIN {name}", *groups])
    return [
        f"CREATE LOGIN {name} WITH PASSWORD = {secret},"
        f" DEFAULT_DATABASE = {identifier(databases[0])},"
        " CHECK_EXPIRATION = OFF, CHECK_POLICY = OFF",
        *(inside(database, user) for database in databases),
    ]


def rollback(role: Mapping[str, Any], values: Values) -> list[str]:
    """What cleans up after a creation that failed; empty when the role says nothing."""
    return statements.render(role.get("rollback_statements", []), values)


def renewal(role: Mapping[str, Any], values: Values) -> list[str]:
    """What the role wants done at a renewal; the server itself keeps no end of an account."""
    return statements.render(role.get("renew_statements", []), values)


def revocation(role: Mapping[str, Any], name: str) -> list[str]:
    """The role's own statements before the account is dropped."""
    return statements.render(role.get("revocation_statements", []), Values(name=name))


def standing(names: Sequence[str], *, contained: bool) -> str:
    """Which of these logins stand; contained, which of these users have a password."""
    if contained:
        return (
            "SELECT name FROM sys.database_principals WHERE type = 'S'"  # noqa: S608 (quoted)
            f" AND authentication_type = 2 AND name IN {listed(names)}"
        )
    return f"SELECT name FROM sys.server_principals WHERE type = 'S' AND name IN {listed(names)}"  # noqa: S608 (quoted)


def page(after: str, size: int, *, contained: bool) -> str:
    """The names of accounts that follow `after` in the server's own order."""
    kind = "database_principals" if contained else "server_principals"
    only = " AND authentication_type = 2" if contained else ""
    return (
        f"SELECT TOP ({size}) name FROM sys.{kind} WHERE type = 'S'{only}"  # noqa: S608 (quoted)
        f" AND name > {literal(after)} ORDER BY name"
    )


def users(names: Sequence[str], databases: Iterable[str]) -> str:
    """Database, name and login of the users that belong to these accounts."""
    # Databases may compare text in different ways, which a UNION refuses.
    return " UNION ALL ".join(
        f"SELECT {literal(it)} COLLATE DATABASE_DEFAULT, d.name COLLATE DATABASE_DEFAULT,"  # noqa: S608 (quoted)
        " s.name COLLATE DATABASE_DEFAULT"
        f" FROM {identifier(it)}.sys.database_principals AS d"
        " LEFT JOIN master.sys.server_principals AS s ON s.sid = d.sid"
        f" WHERE d.type = 'S' AND (d.name IN {listed(names)} OR s.name IN {listed(names)})"
        for it in databases
    )


def known(database: str) -> str:
    """Whether there is such a database, whatever state it is in."""
    return f"SELECT name FROM sys.databases WHERE name = {literal(database)}"  # noqa: S608 (quoted)


def sessions(names: Sequence[str]) -> str:
    """Number and account of what these accounts have open, whoever they pose as meanwhile."""
    return (
        "SELECT session_id, original_login_name FROM sys.dm_exec_sessions"  # noqa: S608 (quoted)
        f" WHERE is_user_process = 1 AND original_login_name IN {listed(names)}"
    )


def kill(session: int) -> str:
    """What ends a session."""
    return f"KILL {int(session)}"


def login_state(name: str) -> str:
    """Whether a login follows the policy of the server's host, and whether it is disabled."""
    return (
        "SELECT CONVERT(int, is_policy_checked), CONVERT(int, is_disabled)"  # noqa: S608 (quoted)
        f" FROM sys.sql_logins WHERE name = {literal(name)}"
    )


def password_of_login(name: str, secret: str, old: str = "") -> str:
    """What sets a login's password to `secret`, quoted already; who may not do that knows `old`."""
    return f"ALTER LOGIN {identifier(name)} WITH PASSWORD = {secret}{_knowing(old)}"


def password_of_user(name: str, password: str, old: str = "") -> str:
    """What sets a contained user's password; who may not do that knows the `old` one."""
    return f"ALTER USER {identifier(name)} WITH PASSWORD = {literal(password)}{_knowing(old)}"


def _knowing(old: str) -> str:
    return f" OLD_PASSWORD = {literal(old)}" if old else ""


def disable(name: str, scrap: str, *, contained: bool) -> str:
    """What refuses every login from now on; contained, by a password `scrap` that nobody has."""
    if contained:
        return password_of_user(name, scrap)
    return f"ALTER LOGIN {identifier(name)} DISABLE"


def drop_users(found: Iterable[User]) -> str:
    """What removes users of one database; those that are gone are passed over."""
    return "; ".join(f"DROP USER IF EXISTS {identifier(user.name)}" for user in found)


def drop_logins(names: Iterable[str]) -> str:
    """What removes logins, all of which stand."""
    return "; ".join(f"DROP LOGIN {identifier(name)}" for name in names)


def owned(name: str) -> str:
    """Kind, schema and name of what a user of this database owns and another can be given."""
    owner = f"USER_ID({literal(name)})"
    return (
        f"SELECT N'SCHEMA', NULL, name FROM sys.schemas WHERE principal_id = {owner}"  # noqa: S608 (quoted)
        " UNION ALL SELECT N'ROLE', NULL, name FROM sys.database_principals"
        f" WHERE type = 'R' AND owning_principal_id = {owner}"
        " UNION ALL SELECT N'OBJECT', SCHEMA_NAME(schema_id), name FROM sys.objects"
        f" WHERE principal_id = {owner}"
    )


def reassign(kind: str, schema: str | None, name: str, heir: str) -> str:
    """What gives a thing of this database to another owner."""
    if kind not in ("SCHEMA", "ROLE", "OBJECT"):
        raise BadStatement("a thing of unknown kind")
    what = identifier(name) if schema is None else f"{identifier(schema)}.{identifier(name)}"
    return f"ALTER AUTHORIZATION ON {kind}::{what} TO {identifier(heir)}"
