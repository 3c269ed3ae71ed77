"""Taking accounts away: login off, sessions ended, objects dealt with, role dropped.

Each stage can be repeated. A role that is gone counts as removed, since the connection was checked
to lead to the server that it was made at. Accounts that own nothing and have no session go many at
a time; the others one by one, so that one that cannot be dropped holds nothing up.
"""

from collections.abc import Mapping, Sequence
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
    removed,
)
from leasehold_plugins.postgresql import recipes, statements
from leasehold_plugins.postgresql.errors import DEPENDENT_OBJECTS, describe, translate
from leasehold_plugins.postgresql.looking import Found, Sight, look
from leasehold_plugins.postgresql.pools import Connection, Pools, is_superuser
from leasehold_plugins.postgresql.sessions import END_SESSION_MS

_SESSIONS = "SELECT pid FROM pg_stat_activity WHERE usesysid = ANY(%s)"
_DATABASES = """
SELECT coalesce(db.datname, current_database()), bool_or(d.deptype = 'o')
FROM pg_shdepend d
LEFT JOIN pg_database db ON db.oid = d.dbid AND db.datallowconn
WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = %s
GROUP BY 1
"""


class Remover:
    """Removes accounts over the revoking pool of one target."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def remove(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
        """One result an account, in order. Raises EngineError when nothing could be done at all."""
        async with self._pools.revoking() as conn:
            target = self._pools.target_of(conn)
            await self._pools.given_up.end(conn, target)
            here = [account for account in accounts if account.target == target]
            sight = await look(conn, here)
            plain = [
                (account.name, found)
                for account in here
                if (found := sight.roles.get(account.name))
                and account.name not in sight.left_open
                and _is_plain(account, found)
            ]
            dropped = await _drop_together(conn, dict(plain))
            results: list[Removal | EngineError] = []
            for account in accounts:
                if account.target != target:
                    results.append(_elsewhere())
                elif account.name in dropped:
                    results.append(_removed(account, sight.roles[account.name]))
                else:
                    results.append(await self._one(conn, account, sight))
            return results

    async def _one(self, conn: Connection, account: Account, sight: Sight) -> Removal | EngineError:
        if conn.closed:
            return EnginePermanent("the batch was cut short", error_class=ErrorClass.TRANSIENT)
        try:
            ended = await _terminate(conn, sight.left_open.get(account.name, ()))
            if found := sight.roles.get(account.name):
                return await self._staged(conn, account, found, ended)
            return removed(was_there=False, sessions=ended)
        except psycopg.Error as error:
            return translate(error, sent=True)
        except EngineError as error:
            return error

    async def _staged(
        self, conn: Connection, account: Account, found: Found, ended: int
    ) -> Removal:
        name = statements.identifier(found.name)
        await conn.execute(f"ALTER ROLE {name} NOLOGIN PASSWORD NULL CONNECTION LIMIT 0")
        failpoint("postgresql.revoke.locked")
        if not is_superuser(conn):
            # What DROP OWNED and ending sessions ask for; it ends with the role.
            await conn.execute(f"GRANT {name} TO CURRENT_USER")
        ended += await _end_sessions(conn, [found.oid])
        owned = ""
        failpoint("postgresql.revoke.disabled")
        try:
            commands = recipes.revocation(account.role, found.name)
            if "revocation_statements" in account.role:
                await run_together(conn, commands)
            else:
                if await self._disown(conn, commands, found.oid):
                    heir = account.role.get("reassign_owned_to")
                    owned = "what it owned " + (f"went to {heir}" if heir else "was dropped")
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
        return _removed(account, found, ended, owned)

    async def _disown(self, conn: Connection, commands: Sequence[str], oid: int) -> bool:
        """Deal with what the account owns and may do, in every database where that is anything.

        Returns whether it owned something.
        """
        rows = await (await conn.execute(_DATABASES, (oid,))).fetchall()
        for database, _ in rows:
            if database == conn.info.dbname:
                await run_together(conn, commands)
            else:
                async with self._pools.elsewhere(database) as there:
                    await run_together(there, commands)
        return any(owns for _, owns in rows)


async def run_together(
    conn: Connection, commands: Sequence[str]
) -> psycopg.AsyncCursor[tuple[Any, ...]]:
    """Run statements in one round trip, which the server takes as one transaction.

    Returns what came of them, at the first.
    """
    return await conn.execute("; ".join(commands))


def _is_plain(account: Account, found: Found) -> bool:
    return not found.entangled and not account.role.get("revocation_statements")


def _removed(account: Account, found: Found, ended: int = 0, owned: str = "") -> Removal:
    return removed(
        sessions=ended,
        owned=owned,
        raised=found.raised and "member_of" in account.role,
        renamed=found.name != account.name,
    )


async def _drop_together(conn: Connection, plain: Mapping[str, Found]) -> frozenset[str]:
    """Drop accounts on which nothing hangs; none when the server refuses one of them."""
    if not plain:
        return frozenset()
    roles = ", ".join(statements.identifier(found.name) for found in plain.values())
    try:
        await conn.execute(f"DROP ROLE {roles}")
    except psycopg.Error as error:
        if error.sqlstate is None:
            raise
        return frozenset()
    failpoint("postgresql.revoke.dropped")
    # A session may have begun after we looked.
    await _end_sessions(conn, [found.oid for found in plain.values()])
    return frozenset(plain)


async def _end_sessions(conn: Connection, oids: Sequence[int]) -> int:
    rows = await (await conn.execute(_SESSIONS, (list(oids),))).fetchall()
    return await _terminate(conn, [pid for (pid,) in rows])


async def _terminate(conn: Connection, pids: Sequence[int]) -> int:
    """End sessions; returns how many."""
    for pid in pids:
        await conn.execute("SELECT pg_terminate_backend(%s, %s)", (pid, END_SESSION_MS))
    return len(pids)


def _elsewhere() -> TargetChanged:
    return TargetChanged("the connection leads to another PostgreSQL than the account was made at")
