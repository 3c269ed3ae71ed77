"""Leases that end by an operator's word although their accounts could not be taken away.

A lease is forced only after an attempt since the order failed. Its account may then stand with no
lease to end it, so it is a finding first and the lease ends second: `leasehold orphans` has it, and
`leasehold status` is degraded, until a look at the target sees that it is gone or an operator has
it removed. Nobody looks in between, or a look would clear what is not so yet.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence

from leasehold.clock import Clock
from leasehold.errors import LeaseholdError
from leasehold.failpoints import hit
from leasehold.leases import lifecycle
from leasehold.leases.store import Change, LeaseStore
from leasehold.loops import Rounds
from leasehold.model import Event, EventType, Lease
from leasehold.reconcile.drift import Drift
from leasehold.reconcile.findings import Kind, Scope, Sighting
from leasehold.reconcile.open_findings import OpenFindings
from leasehold.reconcile.orphans import forced
from leasehold.reconcile.revocation import Revocation
from leasehold.reconcile.revocation_book import RevocationBook
from leasehold.removal import Remover

logger = logging.getLogger(__name__)

PAGE = 500
FIRST_S, LAST_S = 0.5, 30.0
"""How long to wait for attempts; it doubles while nothing new is ordered."""


class Forcing:
    """Runs beside the daemon's other loops."""

    def __init__(
        self, store: LeaseStore, clock: Clock, remover: Remover, drift: Drift, book: RevocationBook
    ) -> None:
        self._store = store
        self._clock = clock
        self._claims = remover.claims
        self._drift = drift
        self._book = book
        self._rounds = Rounds(FIRST_S, LAST_S)

    def wake(self) -> None:
        """There may be new orders."""
        self._rounds.wake()

    async def run(self) -> None:
        """Force what orders say as they come; never returns."""
        await self._rounds.run(self._round)

    async def _round(self) -> bool:
        try:
            return await self.force()
        except LeaseholdError as trouble:
            logger.error("leases cannot be ended by force yet: %s", trouble)
            return True

    async def force(self) -> bool:
        """End what was tried in vain, of every order that says so; whether such orders stand."""
        orders = [order for order in await self._book.standing() if order.force]
        for order in orders:
            progress = await self._store.progress(order.prefix, at_ms=order.at_ms)
            if order.begun and progress.gone < progress.total - progress.waiting:
                async with self._drift.still() as findings:
                    await self._carry_out(order, findings)
        return bool(orders)

    async def _carry_out(self, order: Revocation, findings: OpenFindings) -> None:
        after: str | None = ""
        while after is not None:
            with self._claims.watch() as touched:
                page = await self._store.find(
                    prefix=order.prefix, states=lifecycle.ENDING, after=after, limit=PAGE
                )
            after = page[-1].id if len(page) == PAGE else None
            refused = self._claims.take(
                lease
                for lease in page
                if lease.id not in touched and order.covers(lease) and _was_tried(order, lease)
            )
            try:
                await self._end(order, refused, findings)
            finally:
                self._claims.give(refused)

    async def _end(
        self, order: Revocation, leases: Sequence[Lease], findings: OpenFindings
    ) -> None:
        if not leases:
            return
        standing: defaultdict[Scope, list[Sighting]] = defaultdict(list)
        for lease in leases:
            standing[Scope(Kind.LEASE, lease.engine, lease.target)].append(forced(lease))
        await findings.stand(standing)
        hit("force.found")
        now_ms = self._clock.now_ms()
        written = await self._store.write_many([_ended(order, lease, now_ms) for lease in leases])
        logger.error(
            "%d leases below %s were ended by force; their accounts may stand, see leasehold"
            " orphans",
            len(written),
            order.prefix,
        )


def _was_tried(order: Revocation, lease: Lease) -> bool:
    """Whether an attempt since the order failed; a second look is no attempt."""
    since = lease.next_ms is not None and lease.next_ms > order.at_ms
    return since and lease.attempts > 0 and not lifecycle.looks_again(lease)


def _ended(order: Revocation, lease: Lease, now_ms: int) -> Change:
    new = lifecycle.force(lease, now_ms)
    told = Event.new(
        EventType.FORCED, now_ms, new, caller=order.caller, order=order.id, why=new.last_error
    )
    return Change(old=lease, new=new, events=(told,), may_delay_audit=True)
