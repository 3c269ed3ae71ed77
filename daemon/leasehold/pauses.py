"""A daemon that stood still ends what is due before it answers anybody (rule C6).

SIGSTOP, a frozen group, a machine that slept or was moved: leases ended meanwhile, and whoever was
kept waiting would be served beside their accounts. A pulse notes lease time; a gap between two of
its beats was a pause. Then every answer waits until what is due has been tried once, or a few
seconds if a target keeps that up, and the pause is told, since no lease can be ended during it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from leasehold.clock import Clock
from leasehold.errors import LeaseholdError
from leasehold.leases.store import LeaseStore
from leasehold.model import Event, EventType

logger = logging.getLogger(__name__)

PULSE_S = 0.25
PAUSE_MS = 1_000
"""A gap of so long is a pause; a shorter one is a busy loop, which asks its timers soon."""
FIRST_S = 5.0
"""The longest that answers wait for what is due."""


class Pauses:
    """Notices pauses. `due_tried` returns when all that is due by then has been tried once."""

    def __init__(
        self, store: LeaseStore, clock: Clock, due_tried: Callable[[], Awaitable[None]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._due_tried = due_tried
        self._seen_ms: int | None = None  # while nothing is ended nobody waits for that
        self._stood_ms = 0
        self._paused = asyncio.Event()
        self._over = asyncio.Event()
        self._over.set()

    async def run(self) -> NoReturn:
        """Notice pauses until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._catch_up())
                while True:
                    self._look()
                    await asyncio.sleep(PULSE_S)
        finally:
            self._seen_ms = None

    async def caught_up(self) -> None:
        """Return at once, but after a pause when what is due has been tried."""
        if self._seen_ms is not None:
            # A request may come to be served before the pulse that a pause kept from beating.
            self._look()
        if not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_S):
                    await self._over.wait()

    def _look(self) -> None:
        now_ms = self._clock.now_ms()
        gap_ms = 0 if self._seen_ms is None else now_ms - self._seen_ms
        self._seen_ms = now_ms
        if gap_ms > PAUSE_MS:
            self._stood_ms += gap_ms
            self._over.clear()
            self._paused.set()

    async def _catch_up(self) -> NoReturn:
        while True:
            await self._paused.wait()
            self._paused.clear()
            stood_ms, self._stood_ms = self._stood_ms, 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_S):
                    await self._due_tried()
            if not self._paused.is_set():
                self._over.set()
            await self._tell(stood_ms / 1000)

    async def _tell(self, stood_s: float) -> None:
        logger.warning("the daemon stood still for %.1f s; what ended meanwhile ends now", stood_s)
        told = Event.new(
            EventType.PAUSED, self._clock.now_ms(), None, caller=None, seconds=f"{stood_s:.1f}"
        )
        try:
            await self._store.record(told)
        except LeaseholdError as trouble:
            logger.error("not audited: %s: %s", EventType.PAUSED, trouble)
