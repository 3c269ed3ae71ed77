"""Saves of a server's accounts: what takes access away waits for one, what gives it does not.

`ACL SAVE` writes every user of the server, so its cost grows with the accounts that are live. An
account that comes back with the next start of Redis outlives its lease; one that is lost then dies
early. So a removal is over when it is saved, and all that was changed before a save began shares
it; an account that was made is saved within `LATER_S`, with all others of that time. While saves
fail nothing is put off, so that whoever wants an account is told.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from leasehold.plugin import EngineError

LATER_S = 1.0
"""How long an account that was made may be unsaved, and how many saves it costs: one in this."""
CLOSING_S = 3.0
"""For the last save, before the connections are closed."""


class _Round:
    """One save, and how it ended."""

    done = False
    failed: EngineError | None = None


class Saves:
    """Runs `save`, one at a time. It owns the task that saves later; `close` ends it."""

    def __init__(self, save: Callable[[], Awaitable[None]]) -> None:
        self._save = save
        self._turn = asyncio.Lock()
        self._next = _Round()
        self._wanted = self._covered = 0
        self._failing = False
        self._later: asyncio.Task[None] | None = None

    async def cover(self) -> None:
        """Return when a save that began after this call succeeded. Raises what it raised."""
        mine = self._next
        async with self._turn:
            if not mine.done:
                await self._run(mine)
        if mine.failed is not None:
            raise mine.failed

    async def soon(self) -> None:
        """See to it that a save begins within `LATER_S`; as `cover` while saves fail."""
        if self._failing:
            await self.cover()
            return
        self._wanted += 1
        if self._later is None or self._later.done():
            self._later = asyncio.get_running_loop().create_task(self._save_later())

    async def close(self) -> None:
        """Save what is not saved yet, and end; quiet, since the server may be away."""
        if self._later is not None:
            self._later.cancel()
            await asyncio.wait([self._later])
        if self._wanted > self._covered:
            with contextlib.suppress(EngineError, TimeoutError):
                async with asyncio.timeout(CLOSING_S):
                    await self.cover()

    async def _save_later(self) -> None:
        while self._wanted > self._covered and not self._failing:
            await asyncio.sleep(LATER_S)
            # Of a failure hears who wants an account next, and who looks at the engine.
            with contextlib.suppress(EngineError):
                await self.cover()

    async def _run(self, mine: _Round) -> None:
        # Whoever asks from now on may change what this save has written already.
        if self._next is mine:
            self._next = _Round()
        wanted = self._wanted
        try:
            await self._save()
        except EngineError as error:
            mine.failed = error
        else:
            self._covered = wanted
        self._failing = mine.failed is not None
        mine.done = True  # not after a cancel: then the next who waits for this round runs it
