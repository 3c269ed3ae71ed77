"""Connections in two lanes: some to make accounts, fewer to take them away.

A revocation never waits behind callers who want accounts. A connection whose call failed or was
given up is closed, not used again (rule Q6).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from leasehold.plugin import EngineTemporary
from leasehold_plugins.oracle.errors import translate
from leasehold_plugins.oracle.link import Lost, SqlError
from leasehold_plugins.oracle.session import Session

WAIT_S = 5
"""How long a call waits for a connection to be free."""


class Lane:
    """At most `size` connections, made by `connect`."""

    def __init__(self, connect: Callable[[], Awaitable[Session]], size: int) -> None:
        self._connect = connect
        self._free = asyncio.Semaphore(size)
        self._idle: deque[Session] = deque()
        self._closed = False

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection. Raises EngineError, the link's errors translated."""
        try:
            async with asyncio.timeout(WAIT_S):
                await self._free.acquire()
        except TimeoutError:
            raise EngineTemporary("no connection to Oracle in time") from None
        try:
            async with self._one() as session:
                yield session
        finally:
            self._free.release()

    @contextlib.asynccontextmanager
    async def _one(self) -> AsyncIterator[Session]:
        if self._closed:
            raise EngineTemporary("the engine is closing")
        session = await self._take() or await self._connect()
        try:
            yield session
        except BaseException as error:
            await session.close()
            if isinstance(error, SqlError | Lost):
                raise translate(error) from error
            raise
        if self._closed:
            await session.close()
        else:
            self._idle.append(session)

    async def _take(self) -> Session | None:
        while self._idle:
            session = self._idle.pop()
            if session.is_alive():
                return session
            await session.close()
        return None

    async def close(self) -> None:
        """Close every connection; those at work close when their call ends."""
        self._closed = True
        while self._idle:
            await self._idle.pop().close()
