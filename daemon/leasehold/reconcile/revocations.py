"""Ending all leases below a prefix: the order is given here, looked at, and waited for.

The order is durable before anybody has an answer; the enforcer has the leases end, also after a
crash. Who may give it may do `revoke-any` to everything that the prefix covers.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from leasehold.access import PATH_CHARS, Access
from leasehold.background import Background
from leasehold.clock import Clock
from leasehold.errors import Invalid, NotFound
from leasehold.leases.store import LeaseStore, Progress
from leasehold.model import Caller, Event, EventType
from leasehold.reconcile.revocation import Revocation, new_id
from leasehold.reconcile.revocation_book import RevocationBook

VERB = "revoke-any"
ID_SLASHES = 3
POLL_S = 0.1


class Revocations:
    """`wake` are called when there is a new order."""

    def __init__(
        self,
        access: Access,
        store: LeaseStore,
        clock: Clock,
        book: RevocationBook,
        background: Background,
        *wake: Callable[[], None],
    ) -> None:
        self._access = access
        self._store = store
        self._clock = clock
        self._book = book
        self._background = background
        self._wake = wake

    async def order(self, caller: Caller, prefix: str, *, force: bool) -> Revocation:
        """Have every lease below `prefix` end; one that is a lease's id means that lease.

        Given again while it stands, an order moves to the present instant and keeps its id. Raises
        Invalid, Denied, Unavailable.
        """
        return await self._background.finish(self._order(caller, prefix, force=force))

    async def _order(self, caller: Caller, prefix: str, *, force: bool) -> Revocation:
        if len(prefix) > PATH_CHARS:
            raise Invalid(f"prefix: has {len(prefix)} characters; allowed are {PATH_CHARS}")
        if not (prefix.endswith("/") or _may_be_id(prefix)):
            prefix += "/"
        decision = await self._access.require_below(caller, prefix, VERB)
        if not prefix.endswith("/") and await self._store.get(prefix) is None:
            prefix += "/"
        alike = [
            order
            for order in await self._book.standing()
            if (order.prefix, order.force) == (prefix, force)
        ]
        order = Revocation(
            id=alike[0].id if alike else new_id(),
            prefix=prefix,
            at_ms=self._clock.now_ms(),
            by=decision.identity.name,
            caller=caller,
            force=force,
        )
        told = Event.new(
            EventType.REVOCATION_ORDERED,
            order.at_ms,
            None,
            caller=caller,
            about=prefix,
            order=order.id,
            by=order.by,
            force="yes" if force else "",
            **self._access.grounds(caller, f"{prefix}*", VERB, decision.rule),
        )
        await self._book.give(order, told)
        for wake in self._wake:
            wake()
        return order

    async def all(self, caller: Caller) -> list[tuple[Revocation, Progress]]:
        """The orders that the caller could have given, the newest first, and how they fare."""
        return [
            (order, await self.progress(order))
            for order in await self._book.all()
            if self._may_see(caller, order)
        ]

    async def one(self, caller: Caller, order_id: str) -> tuple[Revocation, Progress]:
        """One order and how it fares. Raises NotFound, also for what the caller may not see."""
        order = await self._book.get(order_id)
        if order is None or not self._may_see(caller, order):
            raise NotFound(
                "there is no such revocation, or you may not revoke what it covers; the last"
                " hundred that are over are kept"
            )
        return order, await self.progress(order)

    async def progress(self, order: Revocation) -> Progress:
        """How far the leases of an order have come."""
        if order.finished_ms is not None:
            return order.outcome
        progress = await self._store.progress(order.prefix, at_ms=order.at_ms)
        # What failed before all were told to end failed before the order, and is tried again.
        return progress if order.begun else replace(progress, failing=0, last_error="")

    async def wait(self, order: Revocation, within_s: float) -> Progress:
        """How an order fares when it is met or all was tried, or else after `within_s` seconds."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + within_s
        while True:
            order = await self._book.get(order.id) or order
            progress = await self.progress(order)
            tried = not (progress.waiting or order.force)
            if order.is_met(progress) or tried or loop.time() >= ends_at:
                return progress
            await asyncio.sleep(POLL_S)

    def _may_see(self, caller: Caller, order: Revocation) -> bool:
        return self._access.decide_below(caller, order.prefix, VERB).allowed


def _may_be_id(prefix: str) -> bool:
    """Whether it has the parts of a lease's id: mount, operation, role, and what tells it."""
    return prefix.count("/") == ID_SLASHES
