"""Ending one lease before its time, or bringing its end nearer, whoever asks for that.

The ledger comes first and the target second, so that a crash between them is caught up.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from leasehold.clock import Clock
from leasehold.errors import EngineError, LeaseholdError, outcome_of
from leasehold.failpoints import reach
from leasehold.leases import lifecycle
from leasehold.leases.store import Change, LeaseStore
from leasehold.model import Caller, Cause, Event, EventType, Lease, LeaseState
from leasehold.removal import Remover

logger = logging.getLogger(__name__)

GRACE = timedelta(seconds=60)
"""How long after the deadline the target ends an account by itself, where it can (rule W13)."""


class Ending:
    """Ends leases. Holds a lease's claim for as long as it works on it."""

    def __init__(self, store: LeaseStore, clock: Clock, remover: Remover) -> None:
        self._store = store
        self._clock = clock
        self._remover = remover

    async def end(
        self,
        lease_id: str,
        cause: Cause,
        caller: Caller | None = None,
        grounds: Mapping[str, str] | None = None,
        *,
        wait: bool = True,
    ) -> bool:
        """End a lease now. True when access has ended, False when that is queued.

        `grounds` say what allowed it to the caller.
        """
        async with self._remover.claims.of(lease_id):
            await reach("revoke.claimed")
            lease = await self._store.get(lease_id)
            return lease is None or await self._end(lease, cause, caller, grounds, wait=wait)

    async def _end(
        self,
        lease: Lease,
        cause: Cause,
        caller: Caller | None = None,
        grounds: Mapping[str, str] | None = None,
        *,
        wait: bool,
    ) -> bool:
        if lease.state in lifecycle.NOT_ENDING:
            lease = await self.send_to_revoking(
                lease, EventType.REVOKING, cause, caller, grounds=grounds
            )
            await reach("revoke.intended")
        elif grounds is not None:
            await self._tell_that_it_ends(lease, caller, grounds)
        if wait and lease.state is not LeaseState.REVOKED:
            [lease] = await self._remover.remove([lease])
        return lease.state in (LeaseState.DISABLED, LeaseState.REVOKED)

    async def send_to_revoking(
        self,
        lease: Lease,
        event: EventType,
        cause: Cause,
        caller: Caller | None = None,
        *,
        unproven: bool = False,
        why: str = "",
        grounds: Mapping[str, str] | None = None,
    ) -> Lease:
        """Write down that a lease, whose claim the caller holds, must end."""
        now_ms = self._clock.now_ms()
        pending = lease.state is LeaseState.PENDING
        new = lifecycle.revoke(lease, now_ms, cause, unproven=unproven and pending)
        told = Event.new(event, now_ms, new, caller=caller, why=why, **(grounds or {}))
        await self._store.write(Change(old=lease, new=new, events=(told,), may_delay_audit=True))
        return new

    async def _tell_that_it_ends(
        self, lease: Lease, caller: Caller | None, grounds: Mapping[str, str]
    ) -> None:
        """Audit a request to end what ends already; nothing hangs on whether that is written."""
        why = f"lease {lease.id} is {lease.state} already"
        now_ms = self._clock.now_ms()
        told = Event.new(EventType.NO_EFFECT, now_ms, lease, caller=caller, why=why, **grounds)
        try:
            await self._store.record(told)
        except LeaseholdError as trouble:
            logger.error("not audited: %s: %s", told.type, trouble)

    async def begin(
        self,
        leases: Sequence[Lease],
        cause: Cause,
        at_ms: int,
        caller: Caller | None = None,
        order: str = "",
    ) -> None:
        """Have many leases end at `at_ms`; the expiry worker takes their accounts away in batches,
        the longest lives first.

        What ends already is due now too. Leases that somebody works on are left out: come back for
        those that are not ending then. `order` is told in the audit.
        """
        told = {"caller": caller, "order": order}
        taken = self._remover.claims.take(leases)
        try:
            await self._store.write_many(
                [
                    self._begun(lease, cause, at_ms, **told)
                    for lease in taken
                    if lease.state in lifecycle.NOT_ENDING or _may_be_hurried(lease, at_ms)
                ]
            )
        finally:
            self._remover.claims.give(taken)

    def _begun(self, lease: Lease, cause: Cause, at_ms: int, **told: Any) -> Change:
        events: tuple[Event, ...] = ()
        if lease.state in lifecycle.NOT_ENDING:
            unproven = lease.state is LeaseState.PENDING
            new = lifecycle.hasten(lease, at_ms, cause, unproven=unproven)
            events = (Event.new(EventType.REVOKING, self._clock.now_ms(), new, **told),)
        else:
            new = lifecycle.defer(lease, at_ms, lease.last_error)
        return Change(old=lease, new=new, events=events, may_delay_audit=True)

    async def cap(self, lease_id: str, max_ttl_s: int, why: str) -> None:
        """Let a lease live for `max_ttl_s` seconds from its issue at most; older ones end now."""
        async with self._remover.claims.of(lease_id):
            lease = await self._store.get(lease_id)
            if lease is None or lease.state is not LeaseState.ACTIVE:
                return
            now_ms, limit_ms = self._clock.now_ms(), lease.issued_ms + max_ttl_s * 1000
            if limit_ms <= now_ms:
                await self._end(lease, Cause.CONFIG, grounds={"rule": why}, wait=True)
            elif limit_ms < lease.max_expires_ms:
                new = lifecycle.cap(lease, now_ms, limit_ms)
                told = Event.new(EventType.SHORTENED, now_ms, new, why=why)
                await self._store.write(Change(old=lease, new=new, events=(told,)))
                await self._tell_target(new)

    async def _tell_target(self, lease: Lease) -> None:
        """Move the target's own expiry too; it is the second line, so trouble is only logged."""
        try:
            engine, account = await self._remover.place(lease)
            if engine.renewable:
                await engine.renew(account, target_expiry(self._clock, lease.expires_ms))
        except EngineError as trouble:
            logger.info("lease %s ends earlier, but not at the target: %s", lease.id, trouble)
            told = Event.new(
                EventType.TARGET_BEHIND,
                self._clock.now_ms(),
                lease,
                why=trouble.reason,
                target=lease.target,
                outcome=outcome_of(trouble)["outcome"],
            )
            self._store.record_soon(told)


def _may_be_hurried(lease: Lease, at_ms: int) -> bool:
    """Whether the lease waits for an attempt later than `at_ms`; not if it waits to look again."""
    waits = lease.next_ms is not None and lease.next_ms > at_ms
    return waits and not lifecycle.looks_again(lease)


def target_expiry(clock: Clock, expires_ms: int) -> datetime:
    """When the target is to end an account by itself."""
    return clock.wall(expires_ms) + GRACE
