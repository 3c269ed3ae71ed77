"""The statements of an account's life: what makes it, moves its expiry, locks and drops it. Pure.

Neither server undoes such statements together, so each stands alone: what a failure leaves is
cleared away by name.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from leasehold_plugins.mysql import statements
from leasehold_plugins.mysql.session import Server
from leasehold_plugins.mysql.statements import Values, identifier, literal
from leasehold_plugins.mysql.verifiers import NATIVE, SHA2

ANYWHERE = "%"

Login = tuple[str, str]
"""An account as the server names it: user and host. One name may stand for several hosts."""


def plugin_of(role: Mapping[str, Any], server: Server) -> str:
    """What accounts of the role log in with: the role's choice, else what the server is best at."""
    return str(role.get("authentication") or (NATIVE if server.is_mariadb else SHA2))


def moment(expires_at: datetime) -> str:
    """A time as a literal holds it, in UTC."""
    return expires_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def creation(
    role: Mapping[str, Any], server: Server, values: Values, comment: str
) -> Sequence[str]:
    """What makes the account."""
    if custom := role.get("creation_statements"):
        return statements.render(custom, values)
    account = quoted([(values.name, role.get("host", ANYWHERE))])
    verifier = literal(values.verifier(values.plugin))
    made = f"CREATE USER {account} IDENTIFIED WITH {values.plugin} AS {verifier}"
    ends = f"PASSWORD EXPIRE INTERVAL {values.days} DAY"
    groups = list(map(identifier, role["member_of"]))
    if server.is_mariadb:
        return [
            f"{made} {ends}",
            f"GRANT {groups[0]} TO {account}",
            f"SET DEFAULT ROLE {groups[0]} FOR {account}",
        ]
    return [f"{made} DEFAULT ROLE {', '.join(groups)} {ends} COMMENT {literal(comment)}"]


def rollback(role: Mapping[str, Any], values: Values) -> Sequence[str]:
    """What cleans up after a creation that failed; empty when the role says nothing."""
    return statements.render(role.get("rollback_statements", []), values)


def renewal(role: Mapping[str, Any], logins: Iterable[Login], values: Values) -> Sequence[str]:
    """What moves the expiry of the account, which stands as `logins`."""
    if custom := role.get("renew_statements"):
        return statements.render(custom, values)
    return [f"ALTER USER {quoted(logins)} PASSWORD EXPIRE INTERVAL {values.days} DAY"]


def revocation(role: Mapping[str, Any], name: str) -> Sequence[str]:
    """The role's own statements before the account is dropped."""
    return statements.render(role.get("revocation_statements", []), Values(name=name))


def lock(logins: Iterable[Login]) -> str:
    """What refuses every login from now on."""
    return f"ALTER USER IF EXISTS {quoted(logins)} ACCOUNT LOCK"


def drop(logins: Iterable[Login]) -> str:
    """What removes accounts; those that are gone are passed over."""
    return f"DROP USER IF EXISTS {quoted(logins)}"


def quoted(logins: Iterable[Login]) -> str:
    """Accounts as a statement lists them."""
    return ", ".join(f"{literal(name)}@{literal(host)}" for name, host in logins)
