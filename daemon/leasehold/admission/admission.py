"""Says no to one lease too many, and tells whoever is refused when to come back and what to do.

Live leases are counted by the store, in the transaction of the intent, so no crowd gets past them;
what is counted here is only how fast they come. A refusal costs little on purpose: it may be the
hundredth in a second from a client in a crash loop.
"""

import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from leasehold.admission.ceilings import Ceilings
from leasehold.admission.rates import IssueRates
from leasehold.admission.usage import Operations, Usage, fullest_first, leases_used
from leasehold.bundle import EngineConfig, Generation, Identity, Role
from leasehold.clock import Clock
from leasehold.engines.registry import Engines
from leasehold.errors import LeaseholdError, QuotaReached
from leasehold.leases.store import LeaseStore, Limits
from leasehold.model import Caller, Event, EventType
from leasehold.policy.durations import text
from leasehold.quota import ISSUES, MAX_LEASES, Kind

logger = logging.getLogger(__name__)

TOLD_MS = 60_000
"""How long a quota that is still reached is not told again."""
LOOKED_MS = 5_000
"""How long it is remembered when the first lease ends, since all leases are read for it."""
SOON_S, LATER_S = 5, 60
"""The least and the most that a caller who must wait for the end of a lease is told to."""
_STANDS = {Kind.ROLE: "max_leases of the role", Kind.MOUNT: "lease_limits"}


class Admission:
    """Knows the limits of `generation()`; `operations` has what each engine type offers."""

    def __init__(
        self,
        generation: Callable[[], Generation],
        operations: Operations,
        engines: Engines,
        store: LeaseStore,
        clock: Clock,
    ) -> None:
        self.ceilings = Ceilings(generation, engines, store, clock)
        self._generation = generation
        self._operations = operations
        self._store = store
        self._clock = clock
        self._rates = IssueRates()
        self._told_ms: dict[tuple[str, str, str], int] = {}
        self._ends: dict[tuple[Kind, str], tuple[int, int | None]] = {}

    def limits(self, config: EngineConfig, role: Role, identity: Identity) -> Limits:
        """How many live leases there may be after one more of the role for the identity."""
        bundle = self._generation().bundle
        most = {
            Kind.ROLE: role.max_leases,
            Kind.MOUNT: bundle.mount_limits.get(config.mount),
            Kind.ENGINE: bundle.quotas.of(Kind.ENGINE, config.name).max_leases,
            Kind.TENANT: bundle.quotas.of(Kind.TENANT, identity.tenant).max_leases,
            Kind.IDENTITY: bundle.quotas.of(Kind.IDENTITY, identity.name).max_leases,
        }
        return {kind: number for kind, number in most.items() if number is not None}

    def admit(self, identity: str, engine: str, role: str) -> None:
        """Count one more try of the identity.

        Raises QuotaReached when they come too fast, or the target is too full for the role.
        """
        self.ceilings.check(engine, role)
        rate = self._generation().bundle.quotas.of(Kind.IDENTITY, identity).issues
        if rate is None:
            return
        wait_s = self._rates.take(identity, rate, self._clock.now_ms())
        if wait_s > 0:
            come_back_s = math.ceil(wait_s)
            raise QuotaReached(
                f"identity {identity} has had {rate.count} new leases, and no more are allowed"
                f" within {text(rate.span_s)} (quotas); the next one is free in"
                f" {text(come_back_s)}; keep a lease and renew it rather than ask for another",
                kind=Kind.IDENTITY,
                name=identity,
                what=ISSUES,
                used=rate.count,
                most=rate.count,
                retry_after_s=come_back_s,
            )

    @asynccontextmanager
    async def telling(self, caller: Caller) -> AsyncIterator[None]:
        """Say more of a limit that is reached within, to the caller and once a minute to all."""
        try:
            yield
        except QuotaReached as reached:
            refusal = await self._in_full(reached) if reached.what == MAX_LEASES else reached
            await self._tell(caller, refusal)
            raise refusal from None

    async def usage(self) -> list[Usage]:
        """How much of each limit is used, the fullest first."""
        bundle, now_ms = self._generation().bundle, self._clock.now_ms()
        live: Mapping[Kind, Mapping[str, int]] = {
            kind: await self._store.live(kind) for kind in Kind
        }
        found = [*leases_used(bundle, live, self._operations), *self.ceilings.usage()]
        for name in bundle.identities:
            rate = bundle.quotas.of(Kind.IDENTITY, name).issues
            if rate is not None:
                used = self._rates.used(name, rate, now_ms)
                found.append(Usage(Kind.IDENTITY, name, ISSUES, used, rate.count))
        return fullest_first(found)

    async def _in_full(self, reached: QuotaReached) -> QuotaReached:
        """The refusal with what the transaction that counted the leases had no time for."""
        kind = Kind(reached.kind)
        end_ms = await self._first_end_ms(kind, reached.name)
        left_s = 0 if end_ms is None else math.ceil((end_ms - self._clock.now_ms()) / 1000)
        if left_s > 0:
            when = f"the first of them ends in {text(left_s)} unless it is renewed"
        else:
            when = "some of them are ending now"
        return QuotaReached(
            f"{reached} ({_STANDS.get(kind, 'quotas')}); {when}; come back then, or revoke those"
            " that nobody needs, see leasehold leases",
            kind=kind,
            name=reached.name,
            what=reached.what,
            used=reached.used,
            most=reached.most,
            retry_after_s=min(max(left_s, SOON_S), LATER_S),
        )

    async def _first_end_ms(self, kind: Kind, name: str) -> int | None:
        now_ms = self._clock.now_ms()
        looked_ms, end_ms = self._ends.get((kind, name), (None, None))
        if looked_ms is None or now_ms - looked_ms >= LOOKED_MS:
            end_ms = await self._store.first_end_ms(kind, name)
            self._ends[kind, name] = (now_ms, end_ms)
        return end_ms

    async def _tell(self, caller: Caller, reached: QuotaReached) -> None:
        """Audit and publish, at most once in `TOLD_MS`; that it fails stops no refusal."""
        now_ms, place = self._clock.now_ms(), (reached.kind, reached.name, reached.what)
        if now_ms - self._told_ms.get(place, -TOLD_MS) < TOLD_MS:
            return
        self._told_ms[place] = now_ms
        told = Event.new(
            EventType.QUOTA_REACHED,
            now_ms,
            caller=caller,
            about=f"{reached.kind}:{reached.name}",
            limit=reached.what,
            used=str(reached.used),
            most=str(reached.most),
        )
        try:
            await self._store.record(told)
        except LeaseholdError as trouble:
            logger.error("not audited: %s: %s", told.type, trouble)
