"""The loop that makes drills when they are due.

When that is stands beside the leases, so a restart neither repeats nor skips a drill; one that a
crash cut short is made again.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence

from leasehold.clock import Clock
from leasehold.errors import LeaseholdError
from leasehold.reconcile.drill_records import Place
from leasehold.reconcile.drills import Drills
from leasehold.serving import Serving

logger = logging.getLogger(__name__)

TICK_S = 60.0
"""The longest sleep, since asyncio's timers stop while the machine is suspended (rule C7)."""
RETRY_S = 30.0


class DrillSchedule:
    """Runs beside the daemon's other loops."""

    def __init__(self, drills: Drills, serving: Serving, clock: Clock) -> None:
        self._drills = drills
        self._serving = serving
        self._clock = clock
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """There may be other schedules."""
        self._wanted.set()

    async def run(self) -> None:
        """Make drills when they are due; never returns."""
        while True:
            self._wanted.clear()
            wait_s = RETRY_S
            try:
                wait_s = await self.round()
            except LeaseholdError as trouble:
                logger.error("drills wait: %s", trouble)
            try:
                async with asyncio.timeout(wait_s):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def round(self) -> float:
        """Make the drills that are due now; returns how many seconds to wait for the next."""
        by_engine: defaultdict[str, list[Place]] = defaultdict(list)
        due = await self._drills.reckon()
        roles, now_ms = self._serving.current().bundle.roles, self._clock.now_ms()
        for place, due_ms in due.items():
            if due_ms <= now_ms and place in roles:
                by_engine[roles[place].engine].append(place)
        async with asyncio.TaskGroup() as group:
            for engine, places in by_engine.items():
                group.create_task(self._in_turn(places), name=f"drills of {engine}")
        left_ms = min((await self._drills.reckon()).values(), default=None)
        if left_ms is None:
            return TICK_S
        left_s = (left_ms - self._clock.now_ms()) / 1000
        return min(TICK_S, left_s) if left_s > 0 else RETRY_S

    async def _in_turn(self, places: Sequence[Place]) -> None:
        for place in places:
            try:
                await self._drills.when_due(place)
            except LeaseholdError as trouble:
                logger.error("drill of %s/%s waits: %s", *place, trouble)
