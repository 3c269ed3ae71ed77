"""Another password for an account that stands: the administrator's own, or one of a static role.

The server is told a verifier only, as for accounts of ours. VALID UNTIL and sessions stay as they
are.
"""

import asyncio

import psycopg
from psycopg import errors

from leasehold.plugin import EnginePermanent, ErrorClass, Secret
from leasehold_plugins.postgresql.errors import translate
from leasehold_plugins.postgresql.pools import Connection
from leasehold_plugins.postgresql.removal import run_together
from leasehold_plugins.postgresql.scram import verifier
from leasehold_plugins.postgresql.statements import identifier, literal

_ABOUT = """
SELECT me.rolname, me.rolsuper, me.rolcreaterole, it.rolname, it.rolcanlogin, it.rolsuper,
    it.rolreplication, pg_has_role(me.oid, it.oid, 'MEMBER WITH ADMIN OPTION')
FROM pg_roles me LEFT JOIN pg_roles it ON it.rolname = %s WHERE me.rolname = current_user
"""
_CREATEROLE_IS_LESS_SINCE = 160000
"""Since 16 it needs ADMIN OPTION on the role too, and reaches roles with REPLICATION."""


async def lacking(conn: Connection, username: str) -> list[str]:
    """What keeps us from giving the account a password that opens, with the line to run."""
    [row] = await (await conn.execute(_ABOUT, (username,))).fetchall()
    me, superuser, may_create, found, may_log_in, is_superuser, replicates, has_admin = row
    name, administrator, cannot = identifier(username), identifier(me), f"cannot rotate {username}"
    if found is None:
        return [f"{cannot}, there is no such role: CREATE ROLE {name} LOGIN;"]
    missing = []
    if not may_log_in:
        missing.append(f"{cannot}, which may not log in: ALTER ROLE {name} LOGIN;")
    if superuser or me == username:
        return missing
    less = conn.info.server_version >= _CREATEROLE_IS_LESS_SINCE
    if is_superuser:
        missing.append(f"{cannot}, a superuser, whose password only a superuser may change")
    elif replicates and not less:
        missing.append(
            f"{cannot}, which has REPLICATION; before PostgreSQL 16 only a superuser may change its"
            " password"
        )
    elif not may_create:
        missing.append(f"{cannot}: ALTER ROLE {administrator} CREATEROLE;")
    if less and not is_superuser and not has_admin:
        missing.append(f"{cannot}: GRANT {name} TO {administrator} WITH ADMIN OPTION;")
    return missing


async def give(conn: Connection, username: str, password: Secret) -> None:
    """Have the account log in with `password` from now on. Raises EngineError."""
    hashed = await asyncio.to_thread(verifier, password.reveal())
    name = identifier(username)
    try:
        await run_together(conn, [f"ALTER ROLE {name} PASSWORD {literal(hashed)}"])
    except errors.UndefinedObject as error:
        raise EnginePermanent(
            f"there is no role {username}: CREATE ROLE {name} LOGIN;", error_class=ErrorClass.ABSENT
        ) from error
    except errors.InsufficientPrivilege as error:
        raise EnginePermanent(
            f"the administrator may not set the password of {username}; it takes CREATEROLE and,"
            f" since PostgreSQL 16: GRANT {name} TO the administrator WITH ADMIN OPTION;",
            error_class=ErrorClass.DENIED,
        ) from error
    except psycopg.Error as error:
        raise translate(error, sent=True) from error
