"""The orders of operators to end leases, in the store: those that stand, and the last that did.

An order may be given anew while it is carried out, so what is noted of it is noted only if it still
stands as it was read.
"""

import asyncio

from leasehold.errors import Unavailable
from leasehold.leases.store import LeaseStore
from leasehold.model import Event, Lease
from leasehold.reconcile.revocation import KIND, Revocation, from_document

KEPT = 100
"""How many finished orders are kept to be looked at."""


class RevocationBook:
    """Reads and writes orders. Every method raises Unavailable."""

    def __init__(self, store: LeaseStore) -> None:
        self._store = store
        self._writing = asyncio.Lock()
        self._standing: dict[str, Revocation] | None = None

    async def all(self) -> list[Revocation]:
        """Every order, the newest first."""
        found = [from_document(each) for each in await self._store.documents(KIND)]
        return sorted(found, key=lambda order: (order.at_ms, order.id), reverse=True)

    async def standing(self) -> list[Revocation]:
        """The orders that are not met yet, the oldest first."""
        async with self._writing:  # what is remembered is what is written
            orders = [order for order in reversed(await self.all()) if order.finished_ms is None]
            self._standing = {order.id: order for order in orders}
            return orders

    def ends(self, lease: Lease) -> bool:
        """Whether a standing order has the lease end, perhaps before it was told so."""
        if self._standing is None:
            raise Unavailable("the orders to end leases could not be read yet; nothing is renewed")
        return any(order.covers(lease) for order in self._standing.values())

    async def get(self, order_id: str) -> Revocation | None:
        """One order."""
        document = await self._store.document(KIND, order_id)
        return None if document is None else from_document(document)

    async def give(self, order: Revocation, told: Event) -> None:
        """Have an order stand, in the place of an older one with its id."""
        async with self._writing:
            if self._standing is None:
                raise Unavailable("the orders to end leases could not be read yet")
            before = self._standing.get(order.id)
            self._standing[order.id] = order  # first, so that no renewal passes it
            try:
                await self._store.keep([order.document()], told, may_delay_audit=True)
            except Unavailable:
                self._standing.pop(order.id)
                if before is not None:
                    self._standing[order.id] = before
                raise

    async def note(self, old: Revocation, new: Revocation, *told: Event) -> None:
        """Keep what became of an order, unless it was given anew meanwhile."""
        async with self._writing:
            if await self.get(old.id) != old:
                return
            finished = [each for each in await self.all() if each.finished_ms is not None]
            forgotten = [each.forgotten() for each in finished[KEPT - 1 :]]
            await self._store.keep([new.document(), *forgotten], *told, may_delay_audit=True)
            if self._standing is not None and new.finished_ms is not None:
                self._standing.pop(new.id, None)
