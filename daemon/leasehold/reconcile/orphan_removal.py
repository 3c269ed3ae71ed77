"""Removing orphans because an operator says so: exactly those that were reported, and no others.

An orphan's tag proves that we made it, and the ledger that no live lease covers it. Both are looked
at again just before, and the accounts must stand at the servers where they were reported.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leasehold.clock import Clock
from leasehold.engines.registry import Engines
from leasehold.errors import Invalid, LeaseholdError, NotFound, Stale, Unavailable, Unsafe
from leasehold.failpoints import reach
from leasehold.leases.hold import Hold
from leasehold.leases.names import middle_of
from leasehold.leases.store import LeaseStore
from leasehold.model import Caller, Event, EventType
from leasehold.plugin import Account, Removal, Stage
from leasehold.reconcile.account_report import AccountsReport, digest
from leasehold.reconcile.drift import Drift
from leasehold.reconcile.findings import Finding
from leasehold.reconcile.safety import MAX_LEASES_REVOKED

logger = logging.getLogger(__name__)

BATCH = 500
Place = tuple[str, str]
"""An engine and an account at its target."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one account; `why` it still stands, empty when it is gone."""

    engine: str
    account: str
    why: str = ""


class OrphanRemoval:
    """Removes; while it does, nobody looks."""

    def __init__(
        self,
        drift: Drift,
        engines: Engines,
        store: LeaseStore,
        clock: Clock,
        hold: Hold | None = None,
    ) -> None:
        self._hold = hold or Hold()
        self._drift = drift
        self._engines = engines
        self._store = store
        self._clock = clock

    async def remove(
        self,
        caller: Caller,
        who: str,
        places: Collection[Place],
        *,
        report: str,
        allow: Collection[str],
    ) -> list[Outcome]:
        """Remove the accounts at `places`, which `report` is the digest of.

        `allow` has codes of safety limits that may be broken this once. Raises Invalid, Stale,
        Unsafe and Unavailable, and then nothing was removed.
        """
        self._hold.check()
        if not places:
            raise Invalid("accounts: found none; allowed are those that a report calls removable")
        async with self._drift.accounts() as seen:
            orphans = _reported(seen, places, report)
            most = self._drift.generation().bundle.safety.max_leases_revoked
            if most is not None and len(orphans) > most and MAX_LEASES_REVOKED not in allow:
                raise Unsafe(
                    f"refused: {MAX_LEASES_REVOKED}: {len(orphans)} accounts removed; allowed are"
                    f" {most}; allow it once with --allow-unsafe {MAX_LEASES_REVOKED}"
                )
            await self._store.record(
                Event.new(
                    EventType.ORPHAN_REMOVING,
                    self._clock.now_ms(),
                    None,
                    caller=caller,
                    by=who,
                    accounts=str(len(orphans)),
                    report=report,
                    allowed=",".join(sorted(allow)),
                )
            )
            await reach("orphans.told")
            outcomes: list[Outcome] = []
            for batch in _batches(orphans):
                outcomes += await self._remove(batch, caller)
            return outcomes

    async def _remove(self, batch: Sequence[Finding], caller: Caller) -> list[Outcome]:
        """Take away some orphans of one engine, and tell of each that is gone."""
        engine = batch[0].scope.engine
        results: Sequence[Removal | LeaseholdError]
        try:
            roles = await self._roles(batch)
            accounts = [
                Account(
                    name=orphan.sighting.account,
                    target=orphan.scope.part,
                    role=roles.get(orphan.sighting.lease_id, {}),
                )
                for orphan in batch
            ]
            results = await self._engines.current(engine).revoke_many(accounts)
        except LeaseholdError as trouble:
            results = [trouble] * len(batch)
        await reach("orphans.removed")
        left = {
            orphan.fingerprint: _why(result)
            for orphan, result in zip(batch, results, strict=True)
            if not (isinstance(result, Removal) and result.stage is Stage.REMOVED)
        }
        now_ms = self._clock.now_ms()
        await self._drift.findings.removed(
            [orphan for orphan in batch if orphan.fingerprint not in left],
            lambda orphan: self._drift.findings.event(
                EventType.ORPHAN_REMOVED, orphan, now_ms, caller=caller
            ),
        )
        self._store.record_soon(
            *(
                self._drift.findings.event(
                    EventType.ORPHAN_LEFT, orphan, now_ms, left[orphan.fingerprint], caller
                )
                for orphan in batch
                if orphan.fingerprint in left
            )
        )
        logger.warning("engine %s: %d orphans removed", engine, len(batch) - len(left))
        return [
            Outcome(engine, orphan.sighting.account, left.get(orphan.fingerprint, ""))
            for orphan in batch
        ]

    async def _roles(self, batch: Sequence[Finding]) -> Mapping[str, Mapping[str, Any]]:
        """The role's options by lease, of those whose recipe another lease still needs."""
        ids = [orphan.sighting.lease_id for orphan in batch if orphan.sighting.lease_id]
        leases = await self._store.by_middle([middle_of(lease_id) for lease_id in ids])
        recipes: dict[str, Mapping[str, Any]] = {}
        for recipe_id in {lease.recipe_id for lease in leases.values() if lease is not None}:
            try:
                recipes[recipe_id] = (await self._store.recipe(recipe_id)).role
            except NotFound:
                continue
        return {
            lease.id: recipes[lease.recipe_id]
            for lease in leases.values()
            if lease is not None and lease.recipe_id in recipes
        }


def _reported(seen: AccountsReport, places: Collection[Place], report: str) -> list[Finding]:
    """The orphans at `places`, by engine. Raises Stale when they are not what was reported."""
    asked = sorted(set(places))
    engines = {engine for engine, _ in asked}
    for one in seen.engines:
        if one.trouble and one.engine in engines:
            raise Unavailable(f"engine {one.engine} could not be looked at: {one.trouble}")
    removable = seen.removable
    others = [place for place in asked if place not in removable]
    if others or digest(removable[place] for place in asked) != report:
        found = f"{len(others)} of the accounts are no orphans" if others else "they are not those"
        raise Stale(
            f"the report is not what is there now: {found}; nothing was removed; look again with"
            " leasehold orphans"
        )
    return [removable[place] for place in asked]


def _batches(orphans: Sequence[Finding]) -> Iterator[Sequence[Finding]]:
    for engine in dict.fromkeys(orphan.scope.engine for orphan in orphans):
        own = [orphan for orphan in orphans if orphan.scope.engine == engine]
        for start in range(0, len(own), BATCH):
            yield own[start : start + BATCH]


def _why(result: Removal | LeaseholdError) -> str:
    return result.residue if isinstance(result, Removal) else str(result)
