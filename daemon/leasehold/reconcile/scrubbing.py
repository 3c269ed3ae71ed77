"""The store is read through soon after the start and once a day, so that damage is met in time.

What is found is told as drift is: once when it begins, once when it is over. A damaged lease is
told with its account, since nobody else will take that away in time; the others go on. Wrong
indexes are made anew at once, since a lease that no index leads to would not be found when it ends.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence

from leasehold.clock import Clock, lease_time
from leasehold.errors import LeaseholdError
from leasehold.events.audit_search import AuditSearch
from leasehold.leases.names import AccountNames, middle_of
from leasehold.leases.sqlite import SQLiteStore
from leasehold.leases.sqlite_scrub import DamagedRow, Scrubbed
from leasehold.model import Lease, LeaseState
from leasehold.reconcile.drift import Drift
from leasehold.reconcile.findings import Kind, Scope, Sighting, What
from leasehold.reconcile.orphans import pages
from leasehold.reconcile.quarantine_verdict import SAME_MS
from leasehold.reconcile.replay import Told, replay

logger = logging.getLogger(__name__)

FIRST_S = 2.0
"""How long after the start; requests come first."""
EVERY_S = 86_400.0
AGAIN_S = 60.0
"""How soon after a round that could not be made."""
_NOT_LAST = (
    "its row is not the last one that was written: somebody put it back as it was, or took it away"
)
SCOPE = Scope(Kind.STORE, part="file")


class Scrubbing:
    """Reads, mends indexes, tells."""

    def __init__(
        self,
        store: SQLiteStore,
        clock: Clock,
        names: AccountNames,
        search: AuditSearch,
        drift: Drift,
    ) -> None:
        self._store = store
        self._clock = clock
        self._names = names
        self._search = search
        self._drift = drift

    async def run(self) -> None:
        """Read it soon, and then now and then; never returns."""
        await asyncio.sleep(FIRST_S)
        while True:
            pause_s = EVERY_S
            try:
                await self.look()
            except (LeaseholdError, OSError) as trouble:
                logger.error("the store was not read through: %s", trouble)
                pause_s = AGAIN_S
            except Exception:
                # The guard of this task: who only looks must not end the daemon.
                logger.exception("the store was not read through: a defect of leasehold")
            await asyncio.sleep(pause_s)

    async def look(self) -> Scrubbed:
        """Read it now, and tell. Raises Unavailable; OSError when the audit cannot be read."""
        found = await self._store.scrub()
        if found.misindexed and not found.faults:
            logger.error("indexes of the store were wrong (%s); made anew", found.misindexed[0])
            await self._store.reindex()
        sightings = [*_of_file(found.faults), *map(self._of_row, found.damaged)]
        if found.set_back:
            sightings += await self._set_back()
        async with self._drift.still() as standing:
            seen = await standing.observe({SCOPE: sightings})
        for finding in seen.found:
            logger.error("%s: %s", finding.about, finding.sighting.why)
        logger.info("the store was read through: %d leases", found.rows)
        return found

    def _of_row(self, row: DamagedRow) -> Sighting:
        """A name with a right tag is intact; else it is computed, the id then being what is."""
        account = row.account
        if not self._names.is_ours(account) and len(row.lease_id) > len(middle_of(row.lease_id)):
            account = self._names.core(row.lease_id)
        why = f"{row.why}; its account is {account}, and nobody takes that away by itself"
        return Sighting(What.DAMAGED, why, account=account, lease_id=row.lease_id)

    async def _set_back(self) -> list[Sighting]:
        """Which leases are not as the audit last tells of them; twice, as some are at work.

        Where each live one is, what was put back or taken away does not matter any more.
        """
        found = await self._unlike_audit()
        if found:
            again = await self._unlike_audit()
            found = {lease_id: its for lease_id, its in found.items() if lease_id in again}
        if not found:
            await self._store.resum()
            why = "a lease that is over was put back as it once was, or taken away"
            return [Sighting(What.SET_BACK, why)]
        return [
            Sighting(What.SET_BACK, f"{_NOT_LAST}; its account is {account}", account, lease_id)
            for lease_id, account in sorted(found.items())
        ]

    async def _unlike_audit(self) -> dict[str, str]:
        """Accounts of such leases, by id."""
        lease_ms = lease_time(self._clock)
        told = await asyncio.to_thread(lambda: replay(self._search.since(0), lease_ms))
        found: dict[str, str] = {}
        for page in pages([*told.values()]):
            rows = await self._store.by_middle([middle_of(its.lease_id) for its in page])
            known = {lease.id: lease for lease in rows.values() if lease is not None}
            now_ms = self._clock.now_ms()
            for its in page:
                if _is_unlike(known.get(its.lease_id), its, now_ms):
                    found[its.lease_id] = its.account
        return found


def _is_unlike(lease: Lease | None, told: Told, now_ms: int) -> bool:
    """Whether a row is another than the audit lets one expect.

    The account of a lease that is over and has none is an orphan, if it stands.
    """
    if lease is None:
        return told.state is not LeaseState.REVOKED and told.expires_ms > now_ms
    return lease.state is not told.state or _moved(lease, told)


def _moved(lease: Lease, told: Told) -> bool:
    """Whether a live lease ends at another time; of one that is over the end says nothing."""
    live = lease.state is not LeaseState.REVOKED
    return live and abs(lease.expires_ms - told.expires_ms) > SAME_MS


def _of_file(faults: Sequence[str]) -> Iterator[Sighting]:
    if faults:
        some = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        yield Sighting(What.FILE_DAMAGED, f"the file of the store is damaged: {faults[0]}{some}")
