"""Taking accounts away: login off, sessions ended, objects dealt with, role dropped.

Each stage can be repeated. A role that is gone counts as removed, since the connection was checked
to lead to the server that it was made at. Accounts that own nothing and have no session go many at
a time; the others one by one, so that one that cannot be dropped holds nothing up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from leasehold.plugin import (
    Account,
    EngineError,
    EnginePermanent,
    ErrorClass,
    Removal,
    Stage,
    TargetChanged,
    failpoint,
)
from leasehold_plugins.postgresql import recipes, statements
from leasehold_plugins.postgresql.errors import DEPENDENT_OBJECTS, describe, translate
from leasehold_plugins.postgresql.pools import Connection, Pools, is_superuser

REMOVED = Removal(stage=Stage.REMOVED)
_END_SESSION_MS = 1000

_LOOK = """
SELECT r.rolname,
       r.oid,
       EXISTS (SELECT FROM pg_shdepend d
               WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid)
           OR EXISTS (SELECT FROM pg_stat_activity a WHERE a.usesysid = r.oid)
FROM pg_roles r
WHERE r.rolname = ANY(%s)
"""
_SESSIONS = "SELECT pid FROM pg_stat_activity WHERE usesysid = ANY(%s)"
_DATABASES = """
SELECT DISTINCT coalesce(db.datname, current_database())
FROM pg_shdepend d
LEFT JOIN pg_database db ON db.oid = d.dbid AND db.datallowconn
WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = %s
"""


@dataclass(frozen=True, slots=True)
class _Found:
    """An account as it stands: its oid, and whether objects or sessions hang on it."""

    oid: int
    entangled: bool


class Remover:
    """Removes accounts over the revoking pool of one target."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def remove(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
        """One result an account, in order. Raises EngineError when nothing could be done at all."""
        async with self._pools.revoking() as conn:
            target = self._pools.target_of(conn)
            here = [account for account in accounts if account.target == target]
            found = await _look(conn, [account.name for account in here])
            plain = [
                account.name
                for account in here
                if account.name in found and _is_plain(account, found[account.name])
            ]
            dropped = await _drop_together(conn, plain, found)
            results: list[Removal | EngineError] = []
            for account in accounts:
                if account.target != target:
                    results.append(_elsewhere())
                elif account.name not in found or account.name in dropped:
                    results.append(REMOVED)
                else:
                    results.append(await self._one(conn, account, found[account.name].oid))
            return results

    async def _one(self, conn: Connection, account: Account, oid: int) -> Removal | EngineError:
        if conn.closed:
            return EnginePermanent("the batch was cut short", error_class=ErrorClass.TRANSIENT)
        try:
            return await self._staged(conn, account, oid)
        except psycopg.Error as error:
            return translate(error, sent=True)
        except EngineError as error:
            return error

    async def _staged(self, conn: Connection, account: Account, oid: int) -> Removal:
        name = statements.identifier(account.name)
        await conn.execute(f"ALTER ROLE {name} NOLOGIN PASSWORD NULL CONNECTION LIMIT 0")
        failpoint("postgresql.revoke.locked")
        if not is_superuser(conn):
            # What DROP OWNED and ending sessions ask for; it ends with the role.
            await conn.execute(f"GRANT {name} TO CURRENT_USER")
        await _end_sessions(conn, [oid])
        failpoint("postgresql.revoke.disabled")
        try:
            commands = recipes.revocation(account.role, account.name)
            if "revocation_statements" in account.role:
                await run_together(conn, commands)
            else:
                await self._disown(conn, commands, oid)
            await conn.execute(f"DROP ROLE IF EXISTS {name}")
            failpoint("postgresql.revoke.dropped")
        except psycopg.Error as error:
            if error.sqlstate is None:
                raise
            if error.sqlstate == DEPENDENT_OBJECTS:
                return Removal(
                    stage=Stage.DISABLED, residue="objects still depend on the account (2BP01)"
                )
            return Removal(stage=Stage.DISABLED, residue=describe(error.sqlstate))
        return REMOVED

    async def _disown(self, conn: Connection, commands: Sequence[str], oid: int) -> None:
        """Deal with what the account owns and may do, in every database where that is anything."""
        rows = await (await conn.execute(_DATABASES, (oid,))).fetchall()
        for (database,) in rows:
            if database == conn.info.dbname:
                await run_together(conn, commands)
            else:
                async with self._pools.elsewhere(database) as there:
                    await run_together(there, commands)


async def run_together(conn: Connection, commands: Sequence[str]) -> None:
    """Run statements in one round trip, which the server takes as one transaction."""
    await conn.execute("; ".join(commands))


async def _look(conn: Connection, names: Sequence[str]) -> Mapping[str, _Found]:
    rows: Sequence[Any] = await (await conn.execute(_LOOK, (list(names),))).fetchall()
    return {name: _Found(oid, entangled) for name, oid, entangled in rows}


def _is_plain(account: Account, found: _Found) -> bool:
    return not found.entangled and not account.role.get("revocation_statements")


async def _drop_together(
    conn: Connection, names: Sequence[str], found: Mapping[str, _Found]
) -> frozenset[str]:
    """Drop accounts on which nothing hangs; none when the server refuses one of them."""
    if not names:
        return frozenset()
    try:
        await conn.execute("DROP ROLE " + ", ".join(map(statements.identifier, names)))
    except psycopg.Error as error:
        if error.sqlstate is None:
            raise
        return frozenset()
    failpoint("postgresql.revoke.dropped")
    # A session may have begun after we looked.
    await _end_sessions(conn, [found[name].oid for name in names])
    return frozenset(names)


async def _end_sessions(conn: Connection, oids: Sequence[int]) -> None:
    rows = await (await conn.execute(_SESSIONS, (list(oids),))).fetchall()
    for (pid,) in rows:
        await conn.execute("SELECT pg_terminate_backend(%s, %s)", (pid, _END_SESSION_MS))


def _elsewhere() -> TargetChanged:
    return TargetChanged("the connection leads to another PostgreSQL than the account was made at")
