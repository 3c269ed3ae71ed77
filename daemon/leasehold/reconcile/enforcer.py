"""Carries out what a generation asked of live leases, until it is done.

Orders stand in the store, so one that was begun before a crash is finished after it. Each lease is
ended or capped by itself; one whose target is away holds up no other, and is asked again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

from leasehold.ending import Ending
from leasehold.errors import EngineError, LeaseholdError
from leasehold.failpoints import hit
from leasehold.leases.store import LeaseStore
from leasehold.model import Cause, Lease, LeaseState
from leasehold.reconcile.orders import KIND, Order, from_document

logger = logging.getLogger(__name__)

RETRY_S = 30.0
PAGE = 500
_LIVE = (LeaseState.PENDING, LeaseState.ACTIVE)


class Enforcer:
    """Runs beside the daemon's other loops."""

    def __init__(self, store: LeaseStore, ending: Ending) -> None:
        self._store = store
        self._ending = ending
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """There may be new orders."""
        self._wanted.set()

    async def run(self) -> None:
        """Carry out orders as they come; never returns."""
        while True:
            self._wanted.clear()
            try:
                waiting = await self.carry_out()
            except LeaseholdError as trouble:
                logger.error("orders of the policy wait: %s", trouble)
                waiting = True
            try:
                async with asyncio.timeout(RETRY_S if waiting else None):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def carry_out(self) -> bool:
        """Make one attempt at every order; whether some are not done yet."""
        waiting = False
        for document in await self._store.documents(KIND):
            order = from_document(document)
            if await self._is_done(order):
                await self._store.keep([order.done()])
            else:
                waiting = True
        return waiting

    async def _is_done(self, order: Order) -> bool:
        done = True
        async for lease in self._leases(order):
            hit("enforce.lease")
            try:
                done &= await self._meet(order, lease)
            except (EngineError, LeaseholdError) as trouble:
                logger.warning("lease %s is not yet as the policy says: %s", lease.id, trouble)
                done = False
        return done

    async def _meet(self, order: Order, lease: Lease) -> bool:
        """Whether the lease is as the order says: over, with its access, or capped."""
        if order.max_ttl_s is None:
            # Once it is revoking, the expiry worker comes back for ever.
            return await self._ending.end(lease.id, Cause.CONFIG)
        why = f"generation {order.generation} allows {order.max_ttl_s} s"
        await self._ending.cap(lease.id, order.max_ttl_s, why)
        return True

    async def _leases(self, order: Order) -> AsyncIterator[Lease]:
        """Live leases of the role that were made under an older generation."""
        for operation in order.operations:
            prefix, after = f"{order.mount}/{operation}/{order.role}/", ""
            while page := await self._store.find(
                prefix=prefix, states=_LIVE, after=after, limit=PAGE
            ):
                after = page[-1].id
                for lease in page:
                    if lease.generation < order.generation:
                        yield lease
