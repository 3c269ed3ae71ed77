"""Dynamic pools of psycopg connections, sync and asyncio.

    DynamicPool(client, "database/creds/app", PsycopgPool("host=db dbname=app", max_size=10))

`connection()` ends as psycopg's own does: it commits, or rolls back after an error
(https://www.psycopg.org/psycopg3/docs/advanced/pool.html).
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from leasehold.client.adapters.login import login, no_connection
from leasehold.secret import Secret

Pool = ConnectionPool[psycopg.Connection[TupleRow]]
AsyncPool = AsyncConnectionPool[psycopg.AsyncConnection[TupleRow]]
BROKEN: tuple[type[Exception], ...] = (psycopg.OperationalError, PoolTimeout)


class PsycopgPool:
    """Makes `psycopg_pool.ConnectionPool`s; `options` are theirs, `conninfo` names no user.

    Opening takes at most `open_s`.
    """

    broken = BROKEN

    def __init__(self, conninfo: str, *, open_s: float = 10.0, **options: Any) -> None:
        self._conninfo = conninfo
        self._open_s = open_s
        self._options = options

    def open(self, fields: Mapping[str, Secret]) -> Pool:
        """A pool with `min_size` connections. Raises Unavailable."""
        pool: Pool = ConnectionPool(self._conninfo, open=False, **_with(self._options, fields))
        try:
            pool.open(wait=True, timeout=self._open_s)
        except (psycopg.Error, PoolTimeout) as error:
            pool.close()
            raise no_connection(error) from error
        return pool

    def checkout(self, pool: Pool) -> AbstractContextManager[psycopg.Connection[TupleRow]]:
        """A connection of the pool."""
        return pool.connection()

    def close(self, pool: Pool) -> None:
        """End the pool."""
        pool.close()


class AsyncPsycopgPool:
    """Makes `psycopg_pool.AsyncConnectionPool`s, as `PsycopgPool` does."""

    broken = BROKEN

    def __init__(self, conninfo: str, *, open_s: float = 10.0, **options: Any) -> None:
        self._conninfo = conninfo
        self._open_s = open_s
        self._options = options

    async def open(self, fields: Mapping[str, Secret]) -> AsyncPool:
        """A pool with `min_size` connections. Raises Unavailable."""
        pool: AsyncPool = AsyncConnectionPool(
            self._conninfo, open=False, **_with(self._options, fields)
        )
        try:
            await pool.open(wait=True, timeout=self._open_s)
        except (psycopg.Error, PoolTimeout) as error:
            await pool.close()
            raise no_connection(error) from error
        return pool

    def checkout(
        self, pool: AsyncPool
    ) -> AbstractAsyncContextManager[psycopg.AsyncConnection[TupleRow]]:
        """A connection of the pool."""
        return pool.connection()

    async def close(self, pool: AsyncPool) -> None:
        """End the pool."""
        await pool.close()


def _with(options: Mapping[str, Any], fields: Mapping[str, Secret]) -> dict[str, Any]:
    user, password = login(fields)
    return {**options, "kwargs": {**options.get("kwargs", {}), "user": user, "password": password}}
