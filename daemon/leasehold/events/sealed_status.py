"""The retained status of a sealed daemon, which has no events to tell and no store to ask."""

import asyncio
import logging
from collections.abc import Sequence
from typing import NoReturn

from leasehold.clock import Clock
from leasehold.events.broker import Broker
from leasehold.events.connection import connected
from leasehold.events.messages import DaemonState, Message, status_message
from leasehold.events.mqtt import HEARTBEAT_S
from leasehold.events.retrying import keep_trying

logger = logging.getLogger(__name__)


class SealedStatus:
    """Says `sealed` now and then, at its end that we stopped; the broker says when we are dead."""

    def __init__(self, broker: Broker, clock: Clock, deployment: str) -> None:
        self._broker = broker
        self._clock = clock
        self._deployment = deployment
        self._told = False

    async def run(self) -> NoReturn:
        """Tell until cancelled; a broker that is away is tried again."""
        await keep_trying(self._session, self._report)

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
                self._told = False
                await asyncio.sleep(HEARTBEAT_S)

    def _report(self, trouble: str) -> None:
        """Log once what is wrong when it begins."""
        if not self._told:
            logger.warning("the status is not told: %s", trouble)
        self._told = True

    async def _last_words(self) -> Sequence[Message]:
        return (self._status(DaemonState.STOPPED),)

    def _status(self, state: DaemonState) -> Message:
        now = self._clock.wall(self._clock.now_ms())
        return status_message(state, now, deployment=self._deployment)
