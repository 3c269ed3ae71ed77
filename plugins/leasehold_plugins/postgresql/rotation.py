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
