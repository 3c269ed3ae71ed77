"""Whoever asks again soon is given what it has: a guard against callers that crash and start anew.

A role with `share` remembers a credential for a span, in memory only. The same holder, asking for
the same, gets that one with what is left of its time, as long as its lease lives, was not renewed
or replaced, and is in the first half of its life. Everybody else, and the holder later, gets one of
its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from leasehold.background import Background
from leasehold.clock import Clock
from leasehold.creation import Order
from leasehold.ending import Ending
from leasehold.handing import Succession
from leasehold.leases.claims import Claims
from leasehold.leases.freeze import Freeze
from leasehold.leases.matching import facts_of
from leasehold.leases.store import LeaseStore
from leasehold.model import (
    Caller,
    Cause,
    Credential,
    Event,
    EventType,
    Lease,
    LeaseState,
    Process,
)


@dataclass(slots=True)
class Handover:
    """Who got a credential, over all replies that have it: `reached` somebody, or still may.

    A lease that nobody got is revoked (rule W8); so one reply that is lost must not end it for
    another that was not.
    """

    reached: bool = False
    under_way: int = 1

    @property
    def in_vain(self) -> bool:
        """Whether nobody has the credential, or will."""
        return not self.reached and not self.under_way


@dataclass(frozen=True, slots=True)
class IssuedLease:
    """A lease with its credential, which its holder alone has.

    `ready_ms` is when the credential was seen to work, None where the role does not ask for that;
    `succession` how the lease may be replaced.
    """

    lease: Lease
    credential: Credential
    ttl_s: int
    renewable: bool
    warnings: tuple[str, ...] = ()
    ready_ms: int | None = None
    succession: Succession | None = None
    handover: Handover = field(default_factory=Handover)

    def delivered(self) -> None:
        """Note that a reply with it was handed over."""
        self.handover.under_way -= 1
        self.handover.reached = True


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who asked, by all that was proven of it, and for what; equal when both are the same."""

    who: Caller
    identities: str
    holder: str
    path: str
    generation: int
    ttl_s: int
    max_ttl_s: int
    labels: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Kept:
    issued: IssuedLease
    until_ms: int


class Sharing:
    """Keeps credentials of roles that share, each for its span. `ends` is that of Issuance."""

    def __init__(
        self,
        store: LeaseStore,
        clock: Clock,
        claims: Claims,
        ending: Ending,
        background: Background,
        freeze: Freeze,
        ends: Callable[[Lease], bool],
    ) -> None:
        self._store = store
        self._clock = clock
        self._claims = claims
        self._ending = ending
        self._background = background
        self._freeze = freeze
        self._ends = ends
        self._kept: dict[_Asked, _Kept] = {}
        self._turns: WeakValueDictionary[_Asked, asyncio.Lock] = WeakValueDictionary()

    def forget(self) -> None:
        """Drop every credential."""
        self._kept.clear()

    async def of(self, order: Order, make: Callable[[], Awaitable[IssuedLease]]) -> IssuedLease:
        """What the holder was given for the same request, or else what `make` makes.

        Of several that ask at once one makes it. Raises what `make` does, Frozen, Unavailable.
        """
        share_s = order.role.share_s
        if share_s is None or order.alone or order.caller is None:
            return await make()
        asked = _asked(order, order.caller)
        turn = self._turns.setdefault(asked, asyncio.Lock())
        async with turn:
            again = await self._again(asked, order)
            if again is not None:
                return again
            issued = await make()
            self._kept[asked] = _Kept(issued, issued.lease.issued_ms + share_s * 1000)
            loop = asyncio.get_running_loop()
            loop.call_later(share_s, self._drop, asked, issued.lease.id)  # no credential in that
            return issued

    async def undelivered(self, caller: Caller | None, issued: IssuedLease) -> None:
        """Note that a reply with it was lost, and revoke what nobody has then (rule W8)."""
        issued.handover.under_way -= 1
        if issued.handover.in_vain:
            await self._ending.end(issued.lease.id, Cause.UNDELIVERED, caller)

    def _drop(self, asked: _Asked, lease_id: str) -> None:
        kept = self._kept.get(asked)
        if kept is not None and kept.issued.lease.id == lease_id:
            del self._kept[asked]

    async def _again(self, asked: _Asked, order: Order) -> IssuedLease | None:
        kept = self._kept.get(asked)
        if kept is None or kept.issued.handover.in_vain:
            return None
        kept.issued.handover.under_way += 1  # from here on nobody else ends it as undelivered
        try:
            shared = await self._share(kept, order)
            if shared is not None:
                return shared
        except BaseException:  # cancelled too: the caller hung up
            await self._background.finish(self.undelivered(order.caller, kept.issued))
            raise
        await self.undelivered(order.caller, kept.issued)
        self._drop(asked, kept.issued.lease.id)
        return None

    async def _share(self, kept: _Kept, order: Order) -> IssuedLease | None:
        """The lease under its claim, so that it is not ended or renewed before it is told."""
        async with self._claims.of(kept.issued.lease.id):
            lease, now_ms = await self._store.get(kept.issued.lease.id), self._clock.now_ms()
            if lease is None or now_ms >= kept.until_ms or not _serves(lease, now_ms):
                return None
            self._freeze.check(facts_of(lease))
            if self._ends(lease):
                return None
            ago_s = (now_ms - lease.issued_ms) // 1000
            told: Mapping[str, str] = {**order.grounds, "age": f"{ago_s}s"}
            shared = Event.new(EventType.SHARED, now_ms, lease, caller=order.caller, **told)
            await self._store.record(shared)
            return replace(
                kept.issued,
                lease=lease,
                ttl_s=(lease.expires_ms - now_ms) // 1000,
                warnings=(f"this is the lease of {ago_s} s ago again, which the role shares",),
            )


def _serves(lease: Lease, now_ms: int) -> bool:
    young = now_ms - lease.issued_ms < lease.ttl_ms / 2
    moved = lease.renewed_ms is not None or lease.replaced_by
    return young and lease.state is LeaseState.ACTIVE and not moved


def _asked(order: Order, caller: Caller) -> _Asked:
    """Pid, address and serial number change from start to start and prove nothing."""
    tls = None if caller.tls is None else replace(caller.tls, serial="", address="")
    login = None if caller.login is None else replace(caller.login, address="")
    process = Process(facts=caller.process.facts)
    who = replace(caller, pid=0, request="", tls=tls, login=login, process=process)
    return _Asked(
        who=replace(who, socket=None, line=None),
        identities=order.grounds.get("identities", order.identity),
        holder=order.holder,
        path=f"{order.mount}/{order.operation}/{order.role.name}",
        generation=order.generation,
        ttl_s=order.ttl_s,
        max_ttl_s=order.max_ttl_s,
        labels=frozenset(order.labels.items()),
    )
