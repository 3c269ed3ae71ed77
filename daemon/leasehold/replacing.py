"""One lease after another, without a gap: the next is issued before the last one ends.

Order is everything here. The successor is issued as every lease is; then its predecessor gets its
last deadline, a grace from now; then there is an answer. A crash in between leaves a predecessor
that ends when it was to, and a successor that nobody has, which ends by its time. The holder says
when it has gone over to the new one; the old one ends then, or with its grace, or at its maximum.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from weakref import WeakValueDictionary

from leasehold.access import OWN, Access
from leasehold.background import Background
from leasehold.ending import Ending, target_expiry
from leasehold.engines.guarded import GuardedEngine
from leasehold.errors import Conflict, EngineError, Invalid
from leasehold.failpoints import reach
from leasehold.handing import Succession
from leasehold.issuance import Issuance, IssuedLease
from leasehold.leases import lifecycle
from leasehold.leases.store import Change, LeaseStore
from leasehold.model import Caller, Cause, Event, EventType, Lease, LeaseState
from leasehold.plugin import Account
from leasehold.removal import Remover

logger = logging.getLogger(__name__)

_DEAD = (LeaseState.REVOKING, LeaseState.DISABLED, LeaseState.REVOKED)


class Replacing:
    """Issues successors, and ends predecessors."""

    def __init__(
        self,
        access: Access,
        issuance: Issuance,
        store: LeaseStore,
        remover: Remover,
        ending: Ending,
        background: Background,
    ) -> None:
        self._access = access
        self._issuance = issuance
        self._clock = issuance.clock
        self._store = store
        self._remover = remover
        self._ending = ending
        self._background = background
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def replace(
        self,
        caller: Caller,
        lease_id: str,
        *,
        ttl_s: int | None = None,
        given: Callable[[Iterable[str]], Mapping[str, str]] = lambda _: {},
    ) -> tuple[IssuedLease, Lease]:
        """A lease in the place of the caller's own, with that one as it lives on.

        What the first was asked for with holds for the second, unless `given` says otherwise.
        Raises NotFound, Invalid (too early, over, replaced, no overlap), and what an issue does.
        """
        await self._access.own_lease(caller, lease_id, "issue")
        turn = self._turns.setdefault(lease_id, asyncio.Lock())
        async with turn:
            lease = await self._access.own_lease(caller, lease_id, "issue")
            succession = await self._may_be_replaced(lease)

            def asked(names: Iterable[str]) -> Mapping[str, str]:
                said = {name: text for name, text in given(names).items() if text}
                return {**lease.labels, **said}

            issued = await self._issuance.issue(
                caller,
                lease.mount,
                lease.operation,
                lease.role,
                ttl_s=ttl_s,
                given=asked,
                replaces=lease,
            )
            await reach("replace.issued")
            done = self._let_go(caller, lease.id, issued, succession)
            return issued, await self._background.finish(done)

    async def acknowledge(self, caller: Caller, lease_id: str, *, wait: bool = True) -> bool:
        """End what the caller's lease replaced. True when its access has ended, False if queued.

        Raises NotFound, Invalid, Unavailable. Doing it twice is quiet.
        """
        lease = await self._access.own_lease(caller, lease_id, "revoke")
        if not lease.replaces:
            raise Invalid(f"lease {lease_id} replaces none, so there is nothing to acknowledge")
        before = await self._store.get(lease.replaces)
        if before is None or before.state in _DEAD:
            return before is None or before.state is not LeaseState.REVOKING
        told = Event.new(
            EventType.ACKNOWLEDGED,
            self._clock.now_ms(),
            lease,
            caller=caller,
            note=f"instead of {lease.replaces}",
        )
        await self._store.record(told)
        grounds = self._access.grounds(caller, lease.path, "revoke", OWN)
        ended = self._ending.end(lease.replaces, Cause.REPLACED, caller, grounds, wait=wait)
        return await self._background.finish(ended)

    async def _may_be_replaced(self, lease: Lease) -> Succession:
        """How; raises Invalid when it may not."""
        _, role = self._access.role(lease.mount, lease.role)
        now_ms, succession = self._clock.now_ms(), role.succession
        if succession is None:
            raise Invalid(f"leases of {lease.path} are not replaced, the role has no overlap")
        if lease.state is not LeaseState.ACTIVE or now_ms >= lease.expires_ms:
            raise Invalid(f"lease {lease.id} is over, it cannot be replaced; ask for a new one")
        if lease.replaced_by:
            # One whose reply was lost has been revoked, and counts for nothing.
            successor = await self._store.get(lease.replaced_by)
            if successor is not None and successor.state not in _DEAD:
                raise Invalid(
                    f"lease {lease.id} was replaced already, by {successor.id}; acknowledge that"
                )
            return succession
        early_s = (lease.expires_ms - now_ms) // 1000 - succession.overlap_s
        if early_s > 0:
            raise Invalid(
                f"lease {lease.id} may be replaced in its last {succession.overlap_s} s, come back"
                f" in {early_s} s"
            )
        return succession

    async def _let_go(
        self, caller: Caller, lease_id: str, issued: IssuedLease, succession: Succession
    ) -> Lease:
        """Give the predecessor its last deadline. If that cannot be, the successor ends."""
        try:
            async with self._remover.claims.of(lease_id):
                return await self._move(caller, lease_id, issued.lease.id, succession)
        except BaseException:
            await self._ending.end(issued.lease.id, Cause.UNDELIVERED, caller, wait=False)
            raise

    async def _move(
        self, caller: Caller, lease_id: str, successor: str, succession: Succession
    ) -> Lease:
        lease, now_ms = await self._store.get(lease_id), self._clock.now_ms()
        if lease is None:
            raise Conflict(f"lease {lease_id} is gone")
        if lease.state is not LeaseState.ACTIVE or now_ms >= lease.expires_ms:
            return lease  # it has ended meanwhile, and there is nothing to let go
        until_ms = min(now_ms + succession.grace_s * 1000, lease.max_expires_ms)
        try:
            engine, account = await self._remover.place(lease)
            await self._tell(engine, account, until_ms)
            until_ms = until_ms if engine.renewable else min(until_ms, lease.expires_ms)
        except EngineError as trouble:
            logger.info("lease %s is not prolonged for its grace: %s", lease_id, trouble)
            until_ms = min(until_ms, lease.expires_ms)
        await reach("replace.moved")
        new = lifecycle.replace_by(lease, now_ms, until_ms, successor)
        told = Event.new(EventType.REPLACED, now_ms, new, caller=caller, note=f"by {successor}")
        await self._store.write(Change(old=lease, new=new, events=(told,)))
        await reach("replace.written")
        return new

    async def _tell(self, engine: GuardedEngine, account: Account, until_ms: int) -> None:
        if engine.renewable:
            await engine.renew(account, target_expiry(self._clock, until_ms))
