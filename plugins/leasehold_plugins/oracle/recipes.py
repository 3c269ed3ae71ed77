"""The statements of an account's life: what makes it, locks it, ends its sessions, drops it. Pure.

DDL commits by itself, so each statement stands alone: what a failure leaves is cleared away by
name.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from leasehold_plugins.oracle import statements
from leasehold_plugins.oracle.statements import Values, account, identifier, listed, literal, quoted

DROP = "drop"
"""The choice of `owned_objects` that takes what the account owns away with it."""


def moment(expires_at: datetime) -> str:
    """A time as a literal holds it, in UTC."""
    return expires_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def creation(role: Mapping[str, Any], values: Values) -> list[str]:
    """What makes the account."""
    if custom := role.get("creation_statements"):
        return statements.render(custom, values)
    made = f"CREATE USER {account(values.name)} IDENTIFIED BY {quoted(values.password)}"
    for option, words in (("profile", "PROFILE"), ("tablespace", "DEFAULT TABLESPACE")):
        if option in role:
            made += f" {words} {identifier(role[option])}"
    groups = ", ".join(map(identifier, role["member_of"]))
    return [made, f"GRANT CREATE SESSION, {groups} TO {account(values.name)}"]


def rollback(role: Mapping[str, Any], values: Values) -> list[str]:
    """What cleans up after a creation that failed; empty when the role says nothing."""
    return statements.render(role.get("rollback_statements", []), values)


def renewal(role: Mapping[str, Any], values: Values) -> list[str]:
    """What the role wants done at a renewal; the database itself keeps no end of an account."""
    return statements.render(role.get("renew_statements", []), values)


def revocation(role: Mapping[str, Any], name: str) -> list[str]:
    """The role's own statements before the account is dropped."""
    return statements.render(role.get("revocation_statements", []), Values(name=name))


def standing(names: Sequence[str]) -> str:
    """Which of these accounts stand."""
    return f"SELECT username FROM all_users WHERE username IN {listed(names)}"  # noqa: S608 (quoted)


def page(after: str, size: int) -> str:
    """The names of users that follow `after`."""
    return (
        f"SELECT username FROM all_users WHERE username > {literal(after or ' ')}"  # noqa: S608 (quoted)
        f" ORDER BY NLSSORT(username, 'NLS_SORT=BINARY') FETCH FIRST {int(size)} ROWS ONLY"
    )


def password(username: str, clear: str) -> str:
    """What sets the password of a user that stands, whose name is written as in a policy."""
    return f"ALTER USER {identifier(username)} IDENTIFIED BY {quoted(clear)}"


def lock(name: str) -> str:
    """What refuses every login from now on."""
    return f"ALTER USER {account(name)} ACCOUNT LOCK"


def sessions(names: Sequence[str]) -> str:
    """Number, serial, instance and account of what is open, on every instance of a cluster.

    What was killed stays listed until its client hears of it, but can do nothing any more.
    """
    return (
        "SELECT sid, serial#, inst_id, username FROM gv$session"  # noqa: S608 (quoted)
        f" WHERE status <> 'KILLED' AND username IN {listed(names)}"
    )


def kill(sid: int, serial: int, instance: int, *, rds: bool) -> str:
    """What ends a session; at Amazon RDS by its own procedure, since ALTER SYSTEM is not to be had.

    Sessions that are gone (30) or dying (31) are well. That is said inside of the block, since the
    driver takes 31 for the end of its own connection.
    """
    sid, serial, instance = int(sid), int(serial), int(instance)
    if rds:
        call = (
            f"rdsadmin.rdsadmin_util.kill(sid => {sid}, serial => {serial}, method => 'IMMEDIATE')"
        )
    else:
        ends = f"ALTER SYSTEM KILL SESSION '{sid},{serial},@{instance}' IMMEDIATE"
        call = f"EXECUTE IMMEDIATE {literal(ends)}"
    return (
        f"BEGIN {call}; EXCEPTION WHEN OTHERS THEN"
        " IF SQLCODE NOT IN (-30, -31) THEN RAISE; END IF; END;"
    )


def drop(role: Mapping[str, Any], name: str) -> str:
    """What removes the account, with what it owns only where the role says so."""
    cascade = " CASCADE" if role.get("owned_objects") == DROP else ""
    return f"DROP USER {account(name)}{cascade}"
