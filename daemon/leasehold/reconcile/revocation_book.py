"""The orders of operators to end leases, in the store: those that stand, and the last that did.

An order may be given anew while it is carried out, so what is noted of it is noted only if it still
stands as it was read.
"""

import asyncio

from leasehold.leases.store import LeaseStore
from leasehold.model import Event
from leasehold.reconcile.revocation import KIND, Revocation, from_document

KEPT = 100
"""How many finished orders are kept to be looked at."""


class RevocationBook:
    """Reads and writes orders. Every method raises Unavailable."""

    def __init__(self, store: LeaseStore) -> None:
        self._store = store
        self._writing = asyncio.Lock()

    async def all(self) -> list[Revocation]:
        """Every order, the newest first."""
        found = [from_document(each) for each in await self._store.documents(KIND)]
        return sorted(found, key=lambda order: (order.at_ms, order.id), reverse=True)

    async def standing(self) -> list[Revocation]:
        """The orders that are not met yet, the oldest first."""
        return [order for order in reversed(await self.all()) if order.finished_ms is None]

    async def get(self, order_id: str) -> Revocation | None:
        """One order."""
        document = await self._store.document(KIND, order_id)
        return None if document is None else from_document(document)

    async def give(self, order: Revocation, told: Event) -> None:
        """Have an order stand, in the place of an older one with its id."""
        async with self._writing:
            await self._store.keep([order.document()], told, may_delay_audit=True)

    async def note(self, old: Revocation, new: Revocation, *told: Event) -> None:
        """Keep what became of an order, unless it was given anew meanwhile."""
        async with self._writing:
            if await self.get(old.id) != old:
                return
            finished = [each for each in await self.all() if each.finished_ms is not None]
            forgotten = [each.forgotten() for each in finished[KEPT - 1 :]]
            await self._store.keep([new.document(), *forgotten], *told, may_delay_audit=True)
