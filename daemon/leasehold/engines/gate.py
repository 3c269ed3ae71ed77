"""A way that many pass at once, until somebody has to be alone on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from leasehold.errors import EngineTemporary


class Gate:
    """Open to all; while it is closed, to the task that closed it."""

    def __init__(self) -> None:
        self._inside = 0
        self._empty = asyncio.Event()
        self._one = asyncio.Lock()
        self._opened: asyncio.Event | None = None
        self._alone: asyncio.Task[object] | None = None

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Be inside, after waiting for whoever is alone there."""
        if self._alone is asyncio.current_task():
            yield
            return
        while self._opened is not None:
            await self._opened.wait()
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def closed(self, within_s: float) -> AsyncIterator[None]:
        """Be alone inside. Raises EngineTemporary when others are not out in time."""
        async with self._one:
            self._opened = asyncio.Event()
            try:
                await self._wait_until_empty(within_s)
                self._alone = asyncio.current_task()
                yield
            finally:
                self._alone = None
                self._opened.set()
                self._opened = None

    async def _wait_until_empty(self, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s):
                while self._inside:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            raise EngineTemporary("the engine is busy; try again") from None
