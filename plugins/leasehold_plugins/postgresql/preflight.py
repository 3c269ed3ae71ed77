"""What the administrator lacks, found before the first account is made, with the line to run."""

from collections.abc import Iterable

from leasehold.plugin import Health
from leasehold_plugins.postgresql.pools import Connection
from leasehold_plugins.postgresql.statements import identifier, literal

OLDEST = 14
_ADMIN_OPTION_SINCE = 160000
"""Since 16 CREATEROLE alone lets nobody grant a role; ADMIN OPTION on it does."""

_ME = (
    "SELECT rolsuper, rolcreaterole, current_user::text FROM pg_roles WHERE rolname = current_user"
)
_MEMBER = "SELECT pg_has_role(current_user, %s, %s)"
_EXISTS = "SELECT rolsuper FROM pg_roles WHERE rolname = %s"


async def preflight(conn: Connection, groups: Iterable[str], heirs: Iterable[str]) -> Health:
    """Look at the rights that roles with these `member_of` and `reassign_owned_to` need."""
    version = conn.info.server_version
    text = f"{version // 10000}.{version % 10000}"
    missing: list[str] = []
    if version // 10000 < OLDEST:
        missing.append(f"PostgreSQL {text} is older than {OLDEST}, the oldest that is supported")
    row = await (await conn.execute(_ME)).fetchone()
    superuser, may_create, me = row or (False, False, "")
    if not superuser:
        if not may_create:
            missing.append(f"cannot make roles: ALTER ROLE {identifier(me)} CREATEROLE;")
        if not await _has(conn, "pg_signal_backend", "MEMBER"):
            missing.append(
                f"cannot end every session: GRANT pg_signal_backend TO {identifier(me)};"
            )
    for group in sorted(set(groups)):
        row = await (await conn.execute(_EXISTS, (group,))).fetchone()
        if row is None:
            missing.append(f"group {group} is missing: CREATE ROLE {identifier(group)} NOLOGIN;")
        elif not superuser and row[0]:
            missing.append(f"group {group} is a superuser, which only a superuser can grant")
        elif (
            not superuser
            and version >= _ADMIN_OPTION_SINCE
            and not await _has(conn, group, "MEMBER WITH ADMIN OPTION")
        ):
            grant = f"GRANT {identifier(group)} TO {identifier(me)} WITH ADMIN OPTION;"
            missing.append(f"cannot grant group {group}: {grant}")
    for heir in sorted(set(heirs)):
        row = await (await conn.execute(_EXISTS, (heir,))).fetchone()
        if row is None:
            missing.append(f"role {heir} is missing: CREATE ROLE {identifier(heir)} NOLOGIN;")
        elif not superuser and not await _has(conn, heir, "MEMBER"):
            grant = f"GRANT {identifier(heir)} TO {identifier(me)};"
            missing.append(f"cannot reassign to {literal(heir)}: {grant}")
    reason = "rights are missing" if missing else ""
    return Health(ok=not missing, reason=reason, missing=tuple(missing), version=text)


async def _has(conn: Connection, role: str, right: str) -> bool:
    row = await (await conn.execute(_MEMBER, (role, right))).fetchone()
    return bool(row and row[0])
