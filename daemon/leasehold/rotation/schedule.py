"""The loop that rotates what is due, and finishes what a crash or a failure left.

When something is due stands in the store, so a restart neither repeats nor skips a rotation.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from leasehold.clock import Clock
from leasehold.errors import LeaseholdError

logger = logging.getLogger(__name__)

TICK_S = 10.0
"""The longest sleep: so soon an event is seen that has something rotated, and asyncio's timers stop
while the machine is suspended (rule C7)."""
AGAIN_S = 1.0
"""How soon to look again at what is still due after a round."""
START_S = 10.0
"""How long a start waits for rotations that were cut short."""

Work = Callable[[], Awaitable[None]]


class Rotates(Protocol):
    """Something that has passwords to rotate, each with a name that begins with its engine's."""

    async def reckon(self) -> Mapping[str, int]:
        """When each is due, of those that ever are, in lease time. Raises Unavailable."""

    async def when_due(self, name: str) -> None:
        """Rotate one, if it is due now. Raises LeaseholdError."""


class RotationSchedule:
    """Runs beside the daemon's other loops."""

    def __init__(self, rotating: Sequence[Rotates], clock: Clock) -> None:
        self._rotating = rotating
        self._clock = clock
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """Something may be due earlier."""
        self._wanted.set()

    async def start(self) -> None:
        """Find out which password holds where a crash left that open, if it is soon known."""
        try:
            async with asyncio.timeout(START_S):
                await self.round()
        except TimeoutError:
            logger.warning("rotations that were cut short are finished later: no answer yet")

    async def run(self) -> None:
        """Rotate when it is due; never returns."""
        while True:
            self._wanted.clear()
            wait_s = await self.round()
            try:
                async with asyncio.timeout(wait_s):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def round(self) -> float:
        """Rotate what is due now; returns how many seconds to wait for the next."""
        by_engine: defaultdict[str, list[Work]] = defaultdict(list)
        for each, name, due_ms in await self._due():
            if due_ms <= self._clock.now_ms():
                by_engine[name.partition("/")[0]].append(_work(each, name))
        async with asyncio.TaskGroup() as group:
            for engine, works in by_engine.items():
                group.create_task(_in_turn(works), name=f"rotations of {engine}")
        left_ms = min((due_ms for _, _, due_ms in await self._due()), default=None)
        if left_ms is None:
            return TICK_S
        return min(TICK_S, max(AGAIN_S, (left_ms - self._clock.now_ms()) / 1000))

    async def _due(self) -> list[tuple[Rotates, str, int]]:
        found = []
        for each in self._rotating:
            try:
                found += [(each, name, due_ms) for name, due_ms in (await each.reckon()).items()]
            except LeaseholdError as trouble:
                logger.error("rotations wait: %s", trouble)
        return found


def _work(rotates: Rotates, name: str) -> Work:
    async def work() -> None:
        try:
            await rotates.when_due(name)
        except LeaseholdError as trouble:
            logger.error("rotation of %s failed, and is tried again: %s", name, trouble)

    return work


async def _in_turn(works: Sequence[Work]) -> None:
    for work in works:
        await work()
