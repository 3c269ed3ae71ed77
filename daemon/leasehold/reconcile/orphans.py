"""Accounts and leases held against each other, both ways, at one target (rules W3, W11, Q8).

An account without a live lease is a stray; an active lease without its account is a ghost. What is
being made or taken away just now is neither: an intent is durable before its account is made, and
an account is gone before its lease has ended. So accounts are listed first and the ledger is read
second, and what is in doubt then is looked at once more in the same order. Changes nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from leasehold.clock import Clock
from leasehold.engines.guarded import GuardedEngine
from leasehold.errors import TargetChanged
from leasehold.leases import lifecycle
from leasehold.leases.names import AccountNames, Mark, middle_of
from leasehold.leases.store import LeaseStore
from leasehold.model import Lease, LeaseState
from leasehold.reconcile.findings import Sighting, What

T = TypeVar("T")

PAGE = 500
BREATH = 50
MOST = 10_000
"""How many of a sort are told one by one; the rest is counted."""
EVER_MS = 1 << 62
"""By then every lease is due."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Accounts of our shape at a target; `ours` with the characters of their leases' ids."""

    target: str
    ours: Mapping[str, str]
    forged: Collection[str]
    foreign: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """What one look saw: how many accounts with a right tag, how many of other deployments.

    `left_out` counts what is not among the sightings, there being too much of its sort.
    """

    target: str
    ours: int
    foreign: int
    left_out: int
    sightings: Sequence[Sighting]


class AccountLook:
    """Looks at the accounts of one deployment."""

    def __init__(self, store: LeaseStore, clock: Clock, names: AccountNames) -> None:
        self._store = store
        self._clock = clock
        self._names = names

    async def look(self, engine: GuardedEngine) -> Accounts:
        """Look now. Raises EngineError when the target cannot be listed, Unavailable."""
        listed = await self.listing(engine)
        covered, missing = await self._held_against(engine.name, listed)
        uncovered = {name: its for name, its in listed.ours.items() if name not in covered}
        strays = await self._strays(uncovered)
        if strays or missing:
            again = await self._list(engine)
            if again.target != listed.target:
                raise _replaced(engine)
            there = again.ours
            strays = await self._strays({name: there[name] for name in strays if name in there})
            missing = await self._ghosts([its for its in missing if its.account not in there])
        seen = [*strays.values(), *map(_forged, listed.forged), *map(_ghost, missing)]
        told = list(_first(sorted(seen, key=lambda its: its.key)))
        return Accounts(
            target=listed.target,
            ours=len(listed.ours),
            foreign=listed.foreign,
            left_out=len(seen) - len(told),
            sightings=told,
        )

    async def listing(self, engine: GuardedEngine) -> Listing:
        """The accounts of our shape that stand now. Raises EngineError."""
        await engine.probe()  # so that it is known which server this is
        return await self._list(engine)

    async def _list(self, engine: GuardedEngine) -> Listing:
        target = engine.target_id
        ours: dict[str, str] = {}
        forged: list[str] = []
        foreign = seen = 0
        async for name in engine.accounts(self._names.pattern):
            seen += 1
            if seen % BREATH == 0:
                await asyncio.sleep(0)  # a page of names is there at once, and others wait
            mark, middle = self._names.read(name) or (Mark.FOREIGN, "")
            if mark is Mark.OURS:
                ours[name] = middle
            elif mark is Mark.FORGED:
                forged.append(name)
            else:
                foreign += 1
        if engine.target_id != target:
            raise _replaced(engine)
        return Listing(target, ours, forged, foreign)

    async def _strays(self, accounts: Mapping[str, str]) -> dict[str, Sighting]:
        """Those of `accounts` that no live lease covers, by name."""
        found: dict[str, Sighting] = {}
        for names in pages(list(accounts)):
            leases = await self._store.by_middle([accounts[name] for name in names])
            for name in names:
                middle = accounts[name]
                if middle not in leases:
                    found[name] = Sighting(What.ORPHAN, "no lease knows it", account=name)
                elif (lease := leases[middle]) is not None and (seen := self._stray(name, lease)):
                    found[name] = seen
                # Else its lease lives, or its row was damaged and may have said so.
        return found

    def _stray(self, name: str, lease: Lease) -> Sighting | None:
        if name != lease.account:
            why = f"bears the tag of another account, {lease.account}"
            return Sighting(What.WRONG_TAG, why, account=name)
        if lease.state is not LeaseState.REVOKED:
            return None
        if lifecycle.was_forced(lease):
            return forced(lease)
        ended = self._clock.wall(lease.ended_ms or lease.expires_ms).isoformat(timespec="seconds")
        why = f"its lease ended at {ended}, and it stands again"
        return Sighting(What.RESURRECTED, why, account=name, lease_id=lease.id)

    async def _held_against(self, engine: str, listed: Listing) -> tuple[set[str], list[Lease]]:
        """Listed accounts that have a live lease, and active leases of this target without one."""
        covered: set[str] = set()
        missing: list[Lease] = []
        after: Lease | None = None
        while page := await self._store.due(engine, EVER_MS, PAGE, after):
            after = page[-1]
            for lease in page:
                if lease.account in listed.ours:
                    covered.add(lease.account)
                elif lease.state is LeaseState.ACTIVE and lease.target == listed.target:
                    missing.append(lease)
        return covered, missing

    async def _ghosts(self, leases: Sequence[Lease]) -> list[Lease]:
        """Those of `leases` that are active still; at its end a lease loses its account first."""
        found: list[Lease] = []
        for page in pages(leases):
            now = await self._store.by_middle([middle_of(lease.id) for lease in page])
            now_ms = self._clock.now_ms()
            found += [
                lease
                for lease in now.values()
                if lease is not None
                and lease.state is LeaseState.ACTIVE
                and lease.expires_ms > now_ms
            ]
        return found


def _replaced(engine: GuardedEngine) -> TargetChanged:
    return TargetChanged(f"the server behind {engine.name} was replaced while it was looked at")


def forced(lease: Lease) -> Sighting:
    """The account of a lease that ended by force, or is about to."""
    why = f"its lease was ended by force; its account could not be taken away: {lease.last_error}"
    return Sighting(What.FORCED, why, account=lease.account, lease_id=lease.id)


def _forged(account: str) -> Sighting:
    return Sighting(What.WRONG_TAG, "bears our mark and a wrong tag", account=account)


def _ghost(lease: Lease) -> Sighting:
    why = "the lease is active, and its account is gone"
    return Sighting(What.GHOST, why, account=lease.account, lease_id=lease.id)


def _first(sightings: Iterable[Sighting]) -> Iterator[Sighting]:
    """The first MOST of each sort."""
    told: Counter[What] = Counter()
    for sighting in sightings:
        told[sighting.what] += 1
        if told[sighting.what] <= MOST:
            yield sighting


def pages(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items, so many at a time as the store is asked for at once."""
    for start in range(0, len(items), PAGE):
        yield items[start : start + PAGE]
