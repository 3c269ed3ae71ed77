"""The retained status of a sealed daemon, which has no events to tell and no store to ask."""

import asyncio
import logging
from collections.abc import Sequence
from typing import NoReturn

from leasehold.clock import Clock
from leasehold.errors import Unavailable
from leasehold.events.broker import Broker
from leasehold.events.connection import connected
from leasehold.events.messages import DaemonState, Message, status_message
from leasehold.events.mqtt import HEARTBEAT_S, wait_s

logger = logging.getLogger(__name__)


class SealedStatus:
    """Says `sealed` now and then, at its end that we stopped; the broker says when we are dead."""

    def __init__(self, broker: Broker, clock: Clock, deployment: str) -> None:
        self._broker = broker
        self._clock = clock
        self._deployment = deployment

    async def run(self) -> NoReturn:
        """Tell until cancelled; a broker that is away is tried again."""
        failures, ourselves = 0, asyncio.current_task()
        while True:
            try:
                await self._session()
            except* Unavailable as lost:
                if not failures:
                    logger.warning("the status is not told: %s", lost.exceptions[0])
            if ourselves is not None and ourselves.cancelling():
                # A task group that fails at that very moment swallows it, before Python 3.13.
                raise asyncio.CancelledError
            failures += 1
            await asyncio.sleep(wait_s(failures))

    async def _session(self) -> None:
        async with (
            connected(
                self._broker, will=self._status(DaemonState.DEAD), farewell=self._last_words
            ) as connection,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(connection.until_lost(), name="mqtt connection")
            while True:
                await connection.publish(self._status(DaemonState.SEALED), retain=True)
                await asyncio.sleep(HEARTBEAT_S)

    async def _last_words(self) -> Sequence[Message]:
        return (self._status(DaemonState.STOPPED),)

    def _status(self, state: DaemonState) -> Message:
        now = self._clock.wall(self._clock.now_ms())
        return status_message(state, now, deployment=self._deployment)
