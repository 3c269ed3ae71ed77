"""What the daemon does by itself beside ending leases: watch the clock, try the engines, reload."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from leasehold.admission.ceilings import AGAIN_S, Ceilings
from leasehold.clock import SystemClock
from leasehold.engines.registry import Engines
from leasehold.errors import LeaseholdError
from leasehold.events.mqtt import MqttPublisher
from leasehold.leases.store import LeaseStore
from leasehold.model import Event, EventType
from leasehold.reconcile.applier import Applier
from leasehold.reconcile.rotatable import accounts_to_rotate
from leasehold.removal import Remover
from leasehold.serving import Serving
from leasehold.systemd import notify, reloading

logger = logging.getLogger(__name__)

CLOCK_S = 5.0
ANCHOR_ROUNDS = 6
"""After so many looks at the clock an instant is written down, though nothing else was (C3)."""
ENGINE_CHECK_S = 300.0


class Upkeep:
    """Eternal tasks and the reload."""

    def __init__(
        self,
        *,
        serving: Serving,
        applier: Applier,
        engines: Engines,
        store: LeaseStore,
        clock: SystemClock,
        remover: Remover,
        ceilings: Ceilings,
        also_reload: Callable[[], None],
    ) -> None:
        self._serving = serving
        self._applier = applier
        self._engines = engines
        self._store = store
        self._clock = clock
        self._remover = remover
        self._ceilings = ceilings
        self._also_reload = also_reload
        self._wanted = asyncio.Event()
        self._check_now = asyncio.Event()

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What runs as long as the daemon does, by name."""
        return {
            "clock": self.watch_clock(),
            "engine checks": self.check_engines(),
            "reload": self.reload_when_asked(),
        }

    def reload_soon(self) -> None:
        """Have `reload_when_asked` read the policy again, and others what they read."""
        self._wanted.set()
        self._also_reload()

    def check_soon(self) -> None:
        """Have `check_engines` try every engine now."""
        self._check_now.set()

    async def tell(self, kind: EventType, **detail: str) -> None:
        """Audit something about the daemon itself; what cannot be written is logged."""
        try:
            now_ms = self._clock.now_ms()
            await self._store.record(Event.new(kind, now_ms, None, caller=None, **detail))
        except LeaseholdError as trouble:
            logger.error("not audited: %s: %s", kind, trouble)

    async def watch_clock(self) -> None:
        """Compare the clocks, tell of a step, and write an instant down now and then."""
        rounds, told = 0, False
        while True:
            self._clock.check()
            if told != self._clock.suspect:
                told = suspect = self._clock.suspect
                logger.warning(
                    "the wall clock stepped; nothing is issued until it has settled"
                    if suspect
                    else "the wall clock has settled"
                )
                await self.tell(EventType.CLOCK_SUSPECT if suspect else EventType.CLOCK_SETTLED)
            rounds += 1
            if rounds % ANCHOR_ROUNDS == 0:
                await self._write_anchor()
            await asyncio.sleep(CLOCK_S)

    async def _write_anchor(self) -> None:
        try:
            await self._store.record()  # every write carries the instant
        except LeaseholdError as trouble:
            logger.error("the clock's instant was not written down: %s", trouble)

    async def check_engines(self) -> None:
        """Try every engine now and then, so that what is wrong shows before somebody asks."""
        while True:
            self._check_now.clear()
            async with asyncio.TaskGroup() as group:
                for name in self._serving.current().bundle.engines:
                    group.create_task(self._check(name), name=f"check {name}")
            self._remover.forget(set(await self._store.live_recipes()))
            try:
                async with asyncio.timeout(AGAIN_S if self._ceilings.refuses else ENGINE_CHECK_S):
                    await self._check_now.wait()
            except TimeoutError:
                continue

    async def _check(self, name: str) -> None:
        bundle = self._serving.current().bundle
        try:
            engine = self._engines.current(name)
        except LeaseholdError:
            return  # a reload took it away meanwhile
        before = engine.health
        roles = [role.options for role in bundle.roles.values() if role.engine == name]
        health = await engine.check(roles, accounts_to_rotate(bundle, name))
        await self._ceilings.measure(name)
        if health != before and not health.ok:
            logger.warning("engine %s: %s", name, health.reason)
            for missing in health.missing:
                logger.warning("engine %s: %s", name, missing)

    async def reload_when_asked(self) -> None:
        """Look at the policy as it is now, each time somebody asks; a bad one changes nothing."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            notify(*reloading())
            await self._applier.look()
            notify("READY=1")


def troubles(
    applier: Applier, engines: Engines, ceilings: Ceilings, publisher: MqttPublisher | None
) -> Sequence[str]:
    """What degrades the daemon besides its leases, one line each."""
    found = [f"the newest policy is not served: {applier.trouble}"] if applier.trouble else []
    if applier.source_trouble:
        found.append(f"the policy's source: {applier.source_trouble}")
    if publisher is not None and publisher.trouble:
        found.append(f"events: {publisher.trouble}")
    found += [
        f"engine {engine.name}: {engine.reason or engine.state}"
        for engine in engines.statuses()
        if engine.state == "down" or engine.reason
    ]
    return [*found, *ceilings.troubles()]
