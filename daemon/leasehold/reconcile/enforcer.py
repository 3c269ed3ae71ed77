"""Carries out orders to end or cap leases until they are met: the policy's, and operators'.

Orders stand in the store, so one that was begun before a crash is finished after it. Leases that
are to end are only told so here, in batches; the expiry workers take their accounts away, so that
one whose target is away holds up no other. An order is met when access has ended for all.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import replace
from functools import partial

from leasehold.clock import Clock
from leasehold.ending import Ending
from leasehold.errors import LeaseholdError
from leasehold.failpoints import hit
from leasehold.leases.lifecycle import LIVE, NOT_ENDING
from leasehold.leases.store import LeaseStore, Progress
from leasehold.loops import Rounds
from leasehold.model import Cause, Event, EventType, Lease, LeaseState
from leasehold.reconcile.orders import KIND, Order, from_document
from leasehold.reconcile.revocation import Revocation
from leasehold.reconcile.revocation_book import RevocationBook

logger = logging.getLogger(__name__)

FIRST_S, LAST_S = 0.25, 30.0
"""How long to wait between two looks at what is left; it doubles while nothing new is ordered."""
POLL_S = 0.1
PAGE = 500


class Enforcer:
    """Runs beside the daemon's other loops. `hurry` has the expiry workers look at once."""

    def __init__(
        self,
        store: LeaseStore,
        clock: Clock,
        ending: Ending,
        book: RevocationBook,
        hurry: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._ending = ending
        self._book = book
        self._hurry = hurry
        self._rounds = Rounds(FIRST_S, LAST_S)
        self._one = asyncio.Lock()

    def wake(self) -> None:
        """There may be new orders."""
        self._rounds.wake()

    async def load(self) -> None:
        """Have renewals know what is ordered; to be called before the first request is taken."""
        try:
            await self._book.standing()
        except LeaseholdError as trouble:
            logger.error("nothing is renewed: the orders cannot be read: %s", trouble)

    async def run(self) -> None:
        """Carry out orders as they come; never returns."""
        await self._rounds.run(self.carry_out)

    async def settle(self, within_s: float) -> bool:
        """Carry out orders, and give what must end as long to be tried once; whether some stand."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + within_s
        while left := await self.carry_out():
            if loop.time() >= ends_at or not any(progress.waiting for progress in left):
                return True
            await asyncio.sleep(POLL_S)
        return False

    async def carry_out(self) -> list[Progress]:
        """Make one attempt at every order; how those fare that are not met."""
        left: list[Progress] = []
        async with self._one:
            try:
                orders = [from_document(each) for each in await self._store.documents(KIND)]
                revocations = await self._book.standing()
            except LeaseholdError as trouble:
                logger.error("orders wait: %s", trouble)
                return [Progress()]
            works = [partial(self._obey, each) for each in orders]
            works += [partial(self._revoke, each) for each in revocations]
            for work in works:
                try:
                    progress = await work()
                except LeaseholdError as trouble:
                    logger.error("an order waits: %s", trouble)
                    progress = Progress()
                except Exception:
                    # Whatever is wrong with one order, the others are carried out.
                    logger.exception("an order waits: a defect of leasehold")
                    progress = Progress()
                if progress is not None:
                    left.append(progress)
        return left

    async def _obey(self, order: Order) -> Progress | None:
        """Have the leases be as the policy says; how they fare, None when they are so."""
        if order.max_ttl_s is None:
            progress = await self._end(order)
            met = not progress.left
        else:
            progress, met = Progress(), await self._cap(order, order.max_ttl_s)
        if not met:
            return progress
        await self._store.keep([order.done()])
        return None

    async def _end(self, order: Order) -> Progress:
        progress, now_ms = Progress(), self._clock.now_ms()
        told = f"generation {order.generation}"
        for prefix in order.prefixes:
            async for page in self._pages(prefix, NOT_ENDING, order.covers):
                await self._ending.begin(page, Cause.CONFIG, now_ms, order=told)
            progress += await self._store.progress(prefix, before_generation=order.generation)
        self._hurry()
        return progress

    async def _cap(self, order: Order, max_ttl_s: int) -> bool:
        done, why = True, f"generation {order.generation} allows {max_ttl_s} s"
        for prefix in order.prefixes:
            async for page in self._pages(prefix, NOT_ENDING, order.covers):
                for lease in page:
                    try:
                        await self._ending.cap(lease.id, max_ttl_s, why)
                    except LeaseholdError as trouble:
                        logger.warning("lease %s is not capped yet: %s", lease.id, trouble)
                        done = False
        return done

    async def _revoke(self, order: Revocation) -> Progress | None:
        """Have the leases below a prefix end; how they fare, None when they did."""
        states = NOT_ENDING if order.begun else LIVE
        async for page in self._pages(order.prefix, states, order.covers):
            await self._ending.begin(page, Cause.OPERATOR, order.at_ms, order.caller, order.id)
            self._hurry()
        progress = await self._store.progress(order.prefix, at_ms=order.at_ms)
        if order.is_met(progress):
            await self._finish(order, progress)
            return None
        if not order.begun:
            await self._book.note(order, replace(order, begun=True))
        return progress

    async def _finish(self, order: Revocation, progress: Progress) -> None:
        now_ms = self._clock.now_ms()
        told = Event.new(
            EventType.REVOCATION_FINISHED,
            now_ms,
            None,
            about=order.prefix,
            order=order.id,
            leases=str(progress.total),
            forced=str(progress.forced) if progress.forced else "",
            s=str((now_ms - order.at_ms) // 1000),
        )
        await self._book.note(order, order.finished(now_ms, progress), told)

    async def _pages(
        self, prefix: str, states: Collection[LeaseState], covers: Callable[[Lease], bool]
    ) -> AsyncIterator[list[Lease]]:
        after: str | None = ""
        while after is not None:
            page = await self._store.find(
                prefix=prefix, states=tuple(states), after=after, limit=PAGE
            )
            after = page[-1].id if len(page) == PAGE else None
            hit("enforce.page")
            yield [lease for lease in page if covers(lease)]
