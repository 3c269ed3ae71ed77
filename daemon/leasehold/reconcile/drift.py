"""The world held against what is served: the policy, the targets, the accounts. Reports only.

One look at a time, every few minutes and when somebody asks. A target that cannot be looked at is a
finding itself; what was found there before stands until it can.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from leasehold.bundle import Generation
from leasehold.clock import Clock
from leasehold.engines.registry import Engines
from leasehold.errors import Invalid, LeaseholdError
from leasehold.leases.hold import Hold
from leasehold.leases.store import LeaseStore
from leasehold.loops import all_of
from leasehold.model import Caller
from leasehold.reconcile.account_report import AccountsReport, EngineAccounts
from leasehold.reconcile.findings import Finding, Kind, Looked, Scope, Sighting, What
from leasehold.reconcile.open_findings import OpenFindings
from leasehold.reconcile.orphans import AccountLook, Accounts
from leasehold.reconcile.targets import TargetLook

logger = logging.getLogger(__name__)

FIRST_S = 5.0
"""How long after the start the first look is."""
REST = 20
"""A pause is at least this many times as long as the look before it: leases come first."""
NOT_IN_POLICY = "the engine is not in the policy any more"
NOT_MEANT = "the engine is not meant to lead to that server"
ACCEPTED = "taken as it is now"
_GROUPED = {
    What.ORPHAN: "accounts bear our tag and no lease knows them",
    What.RESURRECTED: "accounts stand again after their lease ended",
    What.FORCED: "accounts may stand whose leases were ended by force",
    What.WRONG_TAG: "accounts bear our mark and a wrong tag",
    What.GHOST: "active leases have lost their account",
}
_TOLD_ELSEWHERE = (
    What.UNREACHABLE,
    What.ADMIN_REFUSED,
    What.RIGHT_MISSING,
    What.NOT_SERVED,
    What.QUARANTINED,
    What.DAMAGED,
)
"""What `leasehold status` says anyway."""


class Drift:
    """Looks. `policy_trouble` says why what the source has is not served; empty when it is."""

    def __init__(
        self,
        *,
        generation: Callable[[], Generation],
        policy_trouble: Callable[[], Awaitable[str]],
        engines: Engines,
        store: LeaseStore,
        clock: Clock,
        accounts: AccountLook,
        every_s: float,
        hold: Hold | None = None,
    ) -> None:
        self.generation = generation
        self._policy_trouble = policy_trouble
        self._engines = engines
        self._clock = clock
        self._targets = TargetLook(store, engines)
        self._accounts = accounts
        self._every_s = every_s
        self._hold = hold or Hold()
        self._lock = asyncio.Lock()
        self.findings = OpenFindings(store, clock)
        self.looked_ms: int | None = None
        """When the last whole look ended, in lease time."""

    async def run(self) -> None:
        """Look soon, and then now and then; never returns."""
        await self._try(self.findings.load)
        await asyncio.sleep(FIRST_S)
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await self._try(self.look)
            await asyncio.sleep(max(self._every_s, REST * (loop.time() - began)))

    async def _try(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except LeaseholdError as trouble:
            logger.error("drift was not looked for: %s", trouble)
        except Exception:
            # The guard of this task: who only reports must not end the daemon.
            logger.exception("drift was not looked for: a defect of leasehold")

    async def look(self) -> list[Finding]:
        """Look at everything now; returns what stands. Raises Unavailable."""
        async with self._lock:
            await self._forget()
            trouble = await self._policy_trouble()
            unserved = [Sighting(What.NOT_SERVED, trouble)] if trouble else []
            await self._observe({Scope(Kind.POLICY): unserved})
            old = [Sighting(What.QUARANTINED, self._hold.why)] if self._hold.why else []
            await self._observe({Scope(Kind.STORE): old})
            bundle = self.generation().bundle
            for looked in await all_of(self._targets.look(bundle, name) for name in bundle.engines):
                await self._observe(looked)
            if not self._hold.why:  # then they are held against the audit too, by its plan
                await self._look_at_accounts()
            self.looked_ms = self._clock.now_ms()
            return self.findings.all()

    @asynccontextmanager
    async def accounts(self) -> AsyncIterator[AccountsReport]:
        """The accounts as they are just now; nobody else looks until the block is left."""
        async with self._lock:
            await self._forget()
            yield await self._look_at_accounts()

    @asynccontextmanager
    async def still(self) -> AsyncIterator[OpenFindings]:
        """What stands, and nobody looks until the block is left."""
        async with self._lock:
            yield self.findings

    async def accept(self, name: str, caller: Caller) -> None:
        """Take the server behind an engine as it is now. Raises Invalid, EngineError."""
        async with self._lock:
            bundle = self.generation().bundle
            if name not in bundle.engines:
                known = ", ".join(sorted(bundle.engines)) or "none"
                raise Invalid(f"no engine is called {name[:64]}; engines are {known}")
            looked = await self._targets.look(bundle, name, accept=True)
            await self._observe(looked, why=ACCEPTED, caller=caller)

    def troubles(self) -> list[str]:
        """What stands and degrades the daemon, a line each, besides what `status` says anyway."""
        standing = self.findings.all()
        grouped = Counter((each.scope.engine, each.what) for each in standing)
        set_back = grouped["", What.SET_BACK]
        lines = [f"store: {set_back} leases were set back; see leasehold drift"] if set_back else []
        lines += [
            f"engine {engine}: {count} {_GROUPED[what]}; see leasehold orphans"
            for (engine, what), count in grouped.items()
            if what in _GROUPED
        ]
        return lines + [
            f"{each.about}: {each.sighting.why}; see leasehold drift"
            for each in standing
            if each.what not in (*_GROUPED, *_TOLD_ELSEWHERE, What.SET_BACK)
        ]

    async def _forget(self) -> None:
        """Close what stands about engines that the policy has no more."""
        engines = self.generation().bundle.engines
        await self._targets.forget(engines)
        gone = {
            finding.scope: ()
            for finding in await self.findings.load()
            if finding.scope.engine and finding.scope.engine not in engines
        }
        await self._observe(gone, why=NOT_IN_POLICY)

    async def _look_at_accounts(self) -> AccountsReport:
        names = sorted(self.generation().bundle.engines)
        engines = []
        for name, seen in zip(names, await all_of(map(self._seen_at, names)), strict=True):
            if isinstance(seen, str):
                engines.append(EngineAccounts(engine=name, trouble=seen))
                continue
            await self._observe({Scope(Kind.LEASE, name, seen.target): seen.sightings})
            await self._give_up(name, seen.target)
            engines.append(
                EngineAccounts(
                    engine=name,
                    target=seen.target,
                    ours=seen.ours,
                    foreign=seen.foreign,
                    left_out=seen.left_out,
                )
            )
        standing = (each for each in self.findings.all() if each.scope.kind is Kind.LEASE)
        return AccountsReport(engines=tuple(engines), findings=tuple(standing))

    async def _seen_at(self, name: str) -> Accounts | str:
        """What one engine's look saw, or why there was none."""
        try:
            return await self._accounts.look(self._engines.current(name))
        except LeaseholdError as trouble:
            return str(trouble)

    async def _give_up(self, name: str, target: str) -> None:
        """Close what stands about servers that the engine neither leads to nor is meant to.

        A server that was replaced behind our back is one that it is meant to lead to: what was
        found there stands until it is back.
        """
        known = await self._targets.known(name)
        parts = {target, *([known.identity] if known else [])}
        gone = {
            finding.scope: ()
            for finding in self.findings.all()
            if finding.scope.kind is Kind.LEASE
            and finding.scope.engine == name
            and finding.scope.part not in parts
        }
        await self._observe(gone, why=NOT_MEANT)

    async def _observe(
        self, looked: Looked, *, why: str = "", caller: Caller | None = None
    ) -> None:
        seen = await self.findings.observe(looked, why=why, caller=caller)
        for finding in seen.found:
            if finding.what not in _GROUPED:
                logger.warning("drift: %s: %s", finding.about, finding.sighting.why)
        # Names that somebody chose at a target do not go into the log.
        for (engine, what), count in Counter(
            (its.scope.engine, its.what) for its in seen.found
        ).items():
            if what in _GROUPED:
                level = logging.ERROR if what is What.RESURRECTED else logging.WARNING
                logger.log(level, "engine %s: %d more %s", engine, count, _GROUPED[what])
        if seen.cleared:
            logger.info("drift: %d findings are over", len(seen.cleared))
