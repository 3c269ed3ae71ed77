"""The MQTT sink: each waiting event to the broker, at least once and strictly in order.

An event leaves the outbox only when the broker has acknowledged it, one at a time, so that the
stable id and the sequence number of an event let subscribers drop doubles and see gaps (rule AU7).
A broker that is down or refuses holds up nothing but this stream: events wait, however long. A
retained status with a heartbeat tells how the daemon is, and the broker itself tells when it is
dead (rule Z2). Now and then, and at the end, it is told where the audit stands (rule AU4).
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

from leasehold.clock import Clock
from leasehold.errors import Unavailable
from leasehold.events.broker import Broker
from leasehold.events.connection import Connection, Disconnected, connected
from leasehold.events.messages import (
    DaemonState,
    Health,
    Message,
    checkpoint_message,
    event_message,
    status_message,
)
from leasehold.events.outbox import Outbox
from leasehold.events.retrying import keep_trying, wait_s
from leasehold.failpoints import reach
from leasehold.model import AuditHead
from leasehold.secret import Secret

logger = logging.getLogger(__name__)

HEARTBEAT_S = 30.0
CHECKPOINT_S = 300.0
PAGE = 100


class MqttPublisher:
    """Publishes what waits in `store` to the broker at `url`.

    `trouble` says in one line why events do not flow; it is empty when they do.
    """

    def __init__(
        self,
        *,
        url: str,
        password: Secret | None,
        store: Outbox,
        clock: Clock,
        deployment: str,
        lag_s: Callable[[], float] = lambda: 0.0,
        state: Callable[[], DaemonState] = lambda: DaemonState.ONLINE,
    ) -> None:
        """A heartbeat tells `state`, and `lag_s`: for how long the ends of leases got no further.

        Raises ConfigError for a `url` that leads nowhere.
        """
        self._lag_s = lag_s
        self._state = state
        self._broker = Broker.at(url, password, f"leasehold-{deployment}")
        self._store = store
        self._clock = clock
        self._deployment = deployment
        self._wake = asyncio.Event()
        self._acknowledged = 0
        self._recorded = 0
        self._told = False
        self._checkpoint_at = 0.0
        self.trouble = f"not yet connected to the broker at {self._broker}"

    async def run(self) -> NoReturn:
        """Publish until cancelled, then let subscribers know that the daemon has stopped."""
        self._store.subscribe(self._wake.set)
        await keep_trying(self._session, self._report)

    async def _session(self) -> None:
        async with (
            connected(
                self._broker,
                will=self._status(DaemonState.DEAD),
                farewell=self._last_words,
            ) as connection,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(connection.until_lost(), name="mqtt connection")
            await self._publish(connection)

    async def _publish(self, connection: Connection) -> NoReturn:
        """Tell the status and what waits, each when it is due; refused events wait for a while."""
        loop = asyncio.get_running_loop()
        beat_at, failures, refused, unkept = loop.time(), 0, "", ""
        while True:
            self._wake.clear()
            if loop.time() >= beat_at:
                beat_at = loop.time() + HEARTBEAT_S
                refused = await _trouble(self._beat(connection))
            trouble = await _trouble(self._publish_page(connection, beat_at))
            if not trouble and loop.time() >= self._checkpoint_at:
                unkept = await _trouble(self._keep_checkpoint(connection))
            self._report(trouble or refused or unkept)
            if trouble:
                failures += 1
                await asyncio.sleep(wait_s(failures))
                continue
            failures = 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(beat_at):
                    await self._wake.wait()

    async def _beat(self, connection: Connection) -> None:
        counts = await self._store.counts()
        oldest = await self._store.irrevocable(None, 1) if counts.overdue else []
        health = Health(
            overdue=counts.overdue,
            oldest_overdue_s=max(0, self._clock.now_ms() - oldest[0].expires_ms) // 1000
            if oldest
            else None,
            sweep_lag_s=int(self._lag_s()),
            quarantined=counts.quarantined,
            live_leases=counts.live,
            events_waiting=await self._store.outbox_size(),
            audit=await self._store.checkpoint(),
        )
        await connection.publish(self._status(self._state(), health), retain=True)

    async def _keep_checkpoint(self, connection: Connection) -> None:
        """Tell where the audit stands; a broker that refuses that is not asked again at once."""
        head = await self._store.checkpoint()
        if head is not None:
            self._checkpoint_at = asyncio.get_running_loop().time() + CHECKPOINT_S
            await connection.publish(self._checkpoint(head), retain=True)

    async def _last_words(self) -> Sequence[Message]:
        words = [self._status(DaemonState.STOPPED)]
        with contextlib.suppress(Unavailable):
            if head := await self._store.checkpoint():
                words.append(self._checkpoint(head))
        return words

    async def _publish_page(self, connection: Connection, until: float) -> None:
        """Publish a page of what waits, but no longer than `until`, when something else is due."""
        loop = asyncio.get_running_loop()
        page = await self._store.outbox(PAGE)
        try:
            for waiting in page:
                if loop.time() >= until:
                    break
                if waiting.seq > self._acknowledged:
                    await reach("outbox.publishing")
                    await connection.publish(
                        event_message(
                            waiting.event,
                            waiting.seq,
                            deployment=self._deployment,
                            wall=self._clock.wall,
                        )
                    )
                    self._acknowledged = waiting.seq
                    await reach("outbox.acknowledged")
        except BaseException:
            with contextlib.suppress(Unavailable):
                await self._record()
            raise
        await self._record()
        if page:
            self._wake.set()

    async def _record(self) -> None:
        """Take what was acknowledged out of the outbox; until then it is skipped, not resent."""
        if self._acknowledged > self._recorded:
            await self._store.published(self._acknowledged)
            await reach("outbox.deleted")
            self._recorded = self._acknowledged

    def _checkpoint(self, head: AuditHead) -> Message:
        now = self._clock.wall(self._clock.now_ms())
        return checkpoint_message(head, now, deployment=self._deployment)

    def _status(self, state: DaemonState, health: Health | None = None) -> Message:
        now = self._clock.wall(self._clock.now_ms())
        return status_message(state, now, deployment=self._deployment, health=health)

    def _report(self, trouble: str) -> None:
        """Keep what is wrong, and log it once: when it begins, and when it is over."""
        if trouble and not self._told:
            logger.warning("events wait: %s", trouble)
        if self.trouble and not trouble:
            logger.info("events are published to the broker at %s", self._broker)
        self.trouble, self._told = trouble, bool(trouble)


async def _trouble(work: Awaitable[None]) -> str:
    """What was refused, by the broker or by the store; empty when nothing was."""
    try:
        await work
    except Disconnected:
        raise
    except Unavailable as refused:
        return str(refused)
    return ""
