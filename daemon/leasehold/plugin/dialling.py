"""Attempts to connect to one target: one at a time, and none just after one that failed.

A target that goes away breaks every idle connection at once, and each call that finds one broken
would try for another. The daemon stops asking after a few calls that failed (its breaker), but
does not see how often a call tries. So all connections of an engine are made through one
`Dialling`; whoever wants one within `PAUSE_S` of a failure shares it.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

PAUSE_S = 4.0
"""Shorter than calls wait for a connection: who comes after those that failed may try again."""


class Dialling:
    """Passes one attempt at a time, in tasks or in threads. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._one_task = asyncio.Lock()
        self._one_thread = threading.Lock()
        self._failed: Exception | None = None
        self._again_at = 0.0

    @asynccontextmanager
    async def in_task(self) -> AsyncIterator[None]:
        """Connect inside, on the event loop. Raises what the last attempt did, if just now."""
        async with self._one_task:
            with self._judged():
                yield

    @contextmanager
    def in_thread(self) -> Iterator[None]:
        """The same, where drivers block."""
        with self._one_thread, self._judged():
            yield

    @contextmanager
    def _judged(self) -> Iterator[None]:
        if self._failed is not None and self._clock() < self._again_at:
            raise self._failed.with_traceback(None)
        try:
            yield
        except Exception as error:  # not a cancel, which says nothing of the target
            self._failed = error
            self._again_at = self._clock() + PAUSE_S
            raise
        self._failed = None
