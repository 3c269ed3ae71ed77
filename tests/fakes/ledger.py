"""The store as a test sees it: every call is a step at which the daemon may die."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fakes.clock import VirtualLoop
from leasehold.leases.sqlite import SQLiteStore


class Fate:
    """What happens at the daemon's boundaries: it may die there, or a test may act.

    Every call to the ledger and to a target is a step before and a step after.
    """

    def __init__(self) -> None:
        self.dead = False
        self.died = asyncio.Event()
        self._left: int | None = None
        self._act: Callable[[], None] = self.die

    def after(self, steps: int | None, act: Callable[[], None] | None = None) -> None:
        """Call `act` (default: die) after so many steps; None calls that off."""
        self._left, self._act = steps, act or self.die

    def die(self) -> None:
        self.dead = True
        self.died.set()

    async def step(self) -> None:
        if self.dead:
            # What a dying task still tries has no effect: the process is gone.
            raise asyncio.CancelledError
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                self._left = None
                self._act()
        if self.dead:
            await asyncio.Event().wait()


class Ledger:
    """The store, with a step before and after each call, which are made one by one."""

    def __init__(self, store: SQLiteStore, fate: Fate) -> None:
        self._store = store
        self._fate = fate
        self._one = asyncio.Lock()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[SQLiteStore]:
        """The store itself while no call is under way, for a test to look at."""
        async with self._one, _busy():
            yield self._store

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._store, name)
        if not inspect.iscoroutinefunction(member):
            return member

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._fate.step()
            async with self._one, _busy():
                result = await member(*args, **kwargs)
            await self._fate.step()
            return result

        return call


@asynccontextmanager
async def _busy() -> AsyncIterator[None]:
    """Keep virtual time from passing while a thread works for us."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        yield
        return
    loop.busy += 1
    try:
        yield
    finally:
        loop.busy -= 1
