"""What the administrator lacks, found before the first account is made, with the line to run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from leasehold.plugin import Health, revealed
from leasehold_plugins.oracle.removal import SEES_SESSIONS
from leasehold_plugins.oracle.session import Session
from leasehold_plugins.oracle.statements import identifier

OLDEST = (12, 2)
SEES_LIMITS = "SELECT 1 FROM v$parameter WHERE ROWNUM = 1"
_ABOUT = (
    "SELECT d.open_mode, SYS_CONTEXT('USERENV', 'CON_NAME'), SYS_CONTEXT('USERENV', 'CON_ID')"
    " FROM v$database d"
)
_ROOT = "1"
_RIGHTS = "SELECT privilege FROM session_privs"
_GIVEN_ON = (
    "SELECT privilege FROM user_sys_privs WHERE admin_option = 'YES'"
    " UNION SELECT privilege FROM role_sys_privs WHERE admin_option = 'YES'"
)
_ROLES = "SELECT granted_role FROM user_role_privs WHERE admin_option = 'YES'"

Roles = Sequence[Mapping[str, Any]]


async def preflight(session: Session, connection: Mapping[str, Any], roles: Roles) -> Health:
    """Look at the database, and at the rights that roles with these options need."""
    me = identifier(revealed(connection["username"]))
    missing = [
        *await _database(session),
        *await _rights(session, me, roles),
        *await _views(session, me),
    ]
    reason = "rights or settings are missing" if missing else ""
    return Health(ok=not missing, reason=reason, missing=tuple(missing), version=session.version)


async def _database(session: Session) -> list[str]:
    [(mode, container, number)] = await session.execute(_ABOUT)
    missing = []
    if session.numbers < OLDEST:
        missing.append(f"{session.version} is older than 12.2, the oldest that is supported")
    if mode != "READ WRITE":
        missing.append(
            "the database is read-only; lead connection.url to the one that is written to"
        )
    if str(number) == _ROOT:
        missing.append(
            f"{container} is the root of a container database, which takes common users only; lead"
            " connection.url to the service of a pluggable database"
        )
    return missing


async def _rights(session: Session, me: str, roles: Roles) -> list[str]:
    rights = await _column(session, _RIGHTS)
    given_on = await _column(session, _GIVEN_ON)
    missing = [
        f"cannot {words}: GRANT {right} TO {me};"
        for right, words in (
            ("CREATE USER", "make users"),
            ("ALTER USER", "lock users"),
            ("DROP USER", "drop users"),
        )
        if right not in rights
    ]
    if not session.is_rds and "ALTER SYSTEM" not in rights:
        missing.append(
            f"cannot end sessions: GRANT ALTER SYSTEM TO {me}; or at Amazon RDS: GRANT EXECUTE ON"
            f" rdsadmin.rdsadmin_util TO {me};"
        )
    if "CREATE SESSION" not in given_on and "GRANT ANY PRIVILEGE" not in rights:
        missing.append(
            f"cannot let accounts log in: GRANT CREATE SESSION TO {me} WITH ADMIN OPTION;"
        )
    if "GRANT ANY ROLE" not in rights:
        ours = {f'"{name}"' for name in await _column(session, _ROLES)}
        missing += [
            f"cannot grant role {group}, or it is missing: GRANT {group} TO {me} WITH ADMIN OPTION;"
            for group in _groups(roles)
            if group not in ours
        ]
    return missing


async def _views(session: Session, me: str) -> list[str]:
    """Rights to look; the names of V$ views are synonyms, which nothing can be granted on."""
    return [
        f"cannot see {words}: GRANT SELECT ON sys.{view} TO {me};"
        for query, words, view in (
            (SEES_SESSIONS, "sessions", "gv_$session"),
            (SEES_LIMITS, "how many sessions there may be", "v_$parameter"),
        )
        if not await session.may(query)
    ]


def _groups(roles: Roles) -> Iterable[str]:
    return sorted({identifier(group) for role in roles for group in role.get("member_of", ())})


async def _column(session: Session, query: str) -> set[str]:
    return {str(value) for (value,) in await session.execute(query)}
