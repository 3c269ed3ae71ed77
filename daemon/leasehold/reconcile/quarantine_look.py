"""The plan of a quarantine: what the audit and the targets make of the leases. Changes nothing.

Accounts are listed at every target, the lines that the store does not know are read from the
audit, and each lease that one of them or the store has gets its verdict.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leasehold.access import Access
from leasehold.clock import Clock, lease_time
from leasehold.engines.registry import Engines
from leasehold.errors import LeaseholdError, NotFound
from leasehold.events.audit_search import AuditSearch
from leasehold.leases.names import AccountNames, middle_of
from leasehold.leases.store import LeaseStore
from leasehold.model import Lease
from leasehold.reconcile.orphans import EVER_MS, PAGE, AccountLook, Listing, pages
from leasehold.reconcile.quarantine_rebuild import Rebuilding, Rebuilt
from leasehold.reconcile.quarantine_record import Record
from leasehold.reconcile.quarantine_verdict import Action, Verdict, judge
from leasehold.reconcile.replay import Told, replay


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A lease that something is to be done about.

    `lease` is the store's, None for one that only the audit knows and that was `rebuilt`; `told`
    is what the audit says, if anything, and `since` what became of the store's by that.
    """

    verdict: Verdict
    lease: Lease | None = None
    told: Told | None = None
    since: Mapping[str, Any] = field(default_factory=dict)
    rebuilt: Rebuilt | None = None

    @property
    def shown(self) -> Lease:
        """The lease, as it is known."""
        lease = self.lease or (self.rebuilt.lease if self.rebuilt else None)
        if lease is None:
            raise LookupError("a case is of a lease")
        return lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a release would do. `kept` counts leases that stay as the store has them.

    `orphans` counts, by engine, accounts that nobody knows or that cannot be adopted; `unlooked`
    says, by engine, why its accounts could not be looked at.
    """

    cases: Sequence[Case]
    kept: int
    orphans: Mapping[str, int]
    unlooked: Mapping[str, str]

    def count(self, action: Action) -> int:
        """How many leases that is to happen to."""
        return sum(case.verdict.action is action for case in self.cases)


class QuarantineLook:
    """Looks at store, audit and targets."""

    def __init__(
        self,
        *,
        access: Access,
        store: LeaseStore,
        clock: Clock,
        engines: Engines,
        names: AccountNames,
        accounts: AccountLook,
        search: AuditSearch,
        rebuilding: Rebuilding,
    ) -> None:
        self._access = access
        self._store = store
        self._clock = clock
        self._engines = engines
        self._names = names
        self._accounts = accounts
        self._search = search
        self._rebuilding = rebuilding

    async def plan(self, record: Record) -> Plan:
        """What there is to do now. Raises Unavailable; OSError when the audit cannot be read."""
        lease_ms = lease_time(self._clock)
        told = await asyncio.to_thread(lambda: replay(self._search.since(record.known), lease_ms))
        listings, unlooked = await self._listings()
        now_ms = self._clock.now_ms()
        cases: list[Case] = []
        kept, known = 0, set[str]()
        async for lease in self._live():
            known.add(middle_of(lease.id))
            its = told.pop(lease.id, None)
            stands = _stands(listings.get(lease.engine), lease.target, lease.account)
            verdict = judge(lease, its, stands, now_ms, complete=record.complete)
            if verdict.action is Action.KEEP:
                kept += 1
            else:
                since = await self._rebuilding.since(its, lease_ms) if its is not None else {}
                cases.append(Case(verdict=verdict, lease=lease, told=its, since=since))
        orphans: Counter[str] = Counter()
        async for its in self._unknown(told):
            known.add(middle_of(its.lease_id))
            engine = self._engine_of(its)
            listing = listings.get(engine)
            verdict = judge(
                None, its, _stands(listing, its.target, its.account), now_ms, complete=True
            )
            if verdict.action is Action.KEEP:
                continue
            try:
                target = listing.target if listing else ""
                rebuilt = await self._rebuilding.rebuild(its, target, lease_ms, now_ms)
            except NotFound:
                orphans[engine or its.lease_id.rpartition("/")[0]] += 1
                continue
            cases.append(Case(verdict=verdict, told=its, rebuilt=rebuilt))
        for engine, listing in listings.items():
            strays = await self._strays(listing, known)
            orphans[engine] += strays
        return Plan(cases=cases, kept=kept, orphans=+orphans, unlooked=unlooked)

    async def _listings(self) -> tuple[dict[str, Listing], dict[str, str]]:
        listings: dict[str, Listing] = {}
        unlooked: dict[str, str] = {}
        for name in sorted(self._access.generation().bundle.engines):
            try:
                listings[name] = await self._accounts.listing(self._engines.current(name))
            except LeaseholdError as trouble:
                unlooked[name] = str(trouble)
        return listings, unlooked

    async def _live(self) -> AsyncIterator[Lease]:
        for engine in await self._store.live_engines():
            after: Lease | None = None
            while page := await self._store.due(engine, EVER_MS, PAGE, after):
                after = page[-1]
                for lease in page:
                    yield lease

    async def _unknown(self, told: Mapping[str, Told]) -> AsyncIterator[Told]:
        """Leases of the audit that the store has no row of, and whose account is of our making."""
        ours = [its for its in told.values() if self._names.is_ours(its.account)]
        for page in pages(ours):
            rows = await self._store.by_middle([middle_of(its.lease_id) for its in page])
            for its in page:
                if middle_of(its.lease_id) not in rows:
                    yield its

    async def _strays(self, listing: Listing, known: set[str]) -> int:
        """How many accounts neither a live lease nor the audit has."""
        left = [middle for middle in listing.ours.values() if middle not in known]
        found = 0
        for page in pages(left):
            rows = await self._store.by_middle(page)
            found += sum(middle not in rows for middle in page)
        return found

    def _engine_of(self, told: Told) -> str:
        try:
            return self._rebuilding.engine_of(told)
        except NotFound:
            return ""


def _stands(listing: Listing | None, target: str, account: str) -> bool | None:
    """Whether an account stands; None when its server was not looked at."""
    if listing is None or (target and target != listing.target):
        return None
    return account in listing.ours
