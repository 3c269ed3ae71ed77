"""What targets themselves allow, such as PostgreSQL's connections: measured now and then.

An engine that can measure its ceilings is asked together with its check, never while somebody waits
for a lease. What was measured last decides: near a ceiling it is told, closer still no more leases
are issued, so that a target fills up for its other users as little as for ours. What cannot be
measured refuses nobody.
"""

import logging
from collections.abc import Callable, Iterator

from leasehold.admission.usage import Usage
from leasehold.bundle import Generation
from leasehold.clock import Clock
from leasehold.engines.registry import Engines
from leasehold.errors import LeaseholdError, QuotaReached
from leasehold.leases.store import LeaseStore
from leasehold.model import Event, EventType
from leasehold.plugin import Ceiling
from leasehold.quota import REFUSE_PCT, WARN_PCT, Kind

logger = logging.getLogger(__name__)

AGAIN_S = 30.0
"""How soon a target is measured again while it refuses."""
_REFUSES = 2


class Ceilings:
    """The last measurements of the engines that are served."""

    def __init__(
        self,
        generation: Callable[[], Generation],
        engines: Engines,
        store: LeaseStore,
        clock: Clock,
    ) -> None:
        self._generation = generation
        self._engines = engines
        self._store = store
        self._clock = clock
        self._measured: dict[str, tuple[Ceiling, ...]] = {}
        self._told: dict[tuple[str, str], int] = {}

    async def measure(self, engine: str) -> None:
        """Measure the ceilings of one engine, and tell of those that came near since."""
        roles = {
            role.name: role.options
            for role in self._generation().bundle.roles.values()
            if role.engine == engine
        }
        try:
            found = await self._engines.current(engine).ceilings(roles)
        except LeaseholdError as trouble:
            logger.info("engine %s: its ceilings were not measured: %s", engine, trouble)
            found = ()
        self._measured[engine] = tuple(found)
        for one in found:
            stage, told = self._stage(engine, one), self._told.get((engine, one.name), 0)
            self._told[engine, one.name] = stage
            if stage > told:
                await self._tell(engine, one)

    def check(self, engine: str, role: str) -> None:
        """Raise QuotaReached when the target is too full for another account of the role."""
        for one in self._measured.get(engine, ()):
            concerned = one.roles is None or role in one.roles
            if concerned and self._stage(engine, one) == _REFUSES:
                raise QuotaReached(
                    f"{self._line(engine, one)}; it is measured again every {AGAIN_S:.0f} s",
                    kind=Kind.ENGINE,
                    name=engine,
                    what=one.name,
                    used=one.used,
                    most=one.most,
                    retry_after_s=int(AGAIN_S),
                )

    @property
    def refuses(self) -> bool:
        """Whether any target is too full."""
        return any(self._stage(*each) == _REFUSES for each in self._served())

    def usage(self) -> list[Usage]:
        """Every ceiling as it was measured last."""
        return [
            Usage(Kind.ENGINE, engine, one.name, one.used, one.most)
            for engine, one in self._served()
        ]

    def troubles(self) -> list[str]:
        """A line for each ceiling that is near."""
        return [self._line(*each) for each in self._served() if self._stage(*each)]

    def _served(self) -> Iterator[tuple[str, Ceiling]]:
        for engine in self._generation().bundle.engines:
            for one in self._measured.get(engine, ()):
                yield engine, one

    def _stage(self, engine: str, one: Ceiling) -> int:
        """0 with room to spare, 1 when it is near, 2 when no more is issued."""
        quota = self._generation().bundle.quotas.of(Kind.ENGINE, engine)
        shares = (quota.ceiling_warn_pct or WARN_PCT, quota.ceiling_refuse_pct or REFUSE_PCT)
        return sum(one.used * 100 >= share * one.most for share in shares)

    def _line(self, engine: str, one: Ceiling) -> str:
        refused = self._stage(engine, one) == _REFUSES
        whose = "" if one.roles is None else f" of {', '.join(sorted(one.roles))}"
        what = f"no more leases{whose} are issued" if refused else "it fills up"
        remedy = f"; {one.remedy}" if one.remedy else ""
        share = one.used * 100 // one.most if one.most else 100
        return f"engine {engine}: {one.name} {one.used} of {one.most} ({share} %), {what}{remedy}"

    async def _tell(self, engine: str, one: Ceiling) -> None:
        logger.warning("%s", self._line(engine, one))
        told = Event.new(
            EventType.CEILING_NEAR,
            self._clock.now_ms(),
            about=f"engine:{engine}",
            ceiling=one.name,
            used=str(one.used),
            most=str(one.most),
            why=self._line(engine, one),
        )
        try:
            await self._store.record(told)
        except LeaseholdError as trouble:
            logger.error("not audited: %s: %s", told.type, trouble)
