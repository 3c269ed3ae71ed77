"""Saves that many wait for: each gets one that began after it asked, and all who asked share it.

`ACL SAVE` writes every user of the server, so its cost grows with the accounts that are live. Under
load one save covers all that was changed while the save before it ran. Waiting longer, so that even
more share one, was measured: it makes everybody slower.
"""

import asyncio
from collections.abc import Awaitable, Callable

from leasehold.plugin import EngineError


class _Round:
    """One save, and how it ended."""

    done = False
    failed: EngineError | None = None


class Saves:
    """Runs `save`, one at a time."""

    def __init__(self, save: Callable[[], Awaitable[None]]) -> None:
        self._save = save
        self._turn = asyncio.Lock()
        self._next = _Round()

    async def cover(self) -> None:
        """Return when a save that began after this call succeeded. Raises what it raised."""
        mine = self._next
        async with self._turn:
            if not mine.done:
                await self._run(mine)
        if mine.failed is not None:
            raise mine.failed

    async def _run(self, mine: _Round) -> None:
        # Whoever asks from now on may change what this save has written already.
        if self._next is mine:
            self._next = _Round()
        try:
            await self._save()
        except EngineError as error:
            mine.failed = error
        mine.done = True  # not after a cancel: then the next who waits for this round runs it
