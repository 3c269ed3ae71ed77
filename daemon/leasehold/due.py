"""A batch of leases that are due, and what is written of those whose account stays. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from leasehold.leases import lifecycle
from leasehold.leases.store import Change
from leasehold.model import Cause, Event, EventType, Lease, LeaseState
from leasehold.removal import Attempt, is_overdue

PUT_OFF_MS = 300_000
"""How far leases are put off while their target is away; its return does not wait for this."""


@dataclass(slots=True)
class Batch:
    """Leases that were due at `now_ms`, and how they fared."""

    leases: Sequence[Lease]
    now_ms: int
    away: Sequence[Lease] = ()
    abandoned: Sequence[Lease] = ()
    attempts: Sequence[Attempt] = ()

    @property
    def warned(self) -> Sequence[Lease]:
        """Those that are due only to tell their holders that the end is near."""
        return [lease for lease in self.leases if _only_warned(lease, self.now_ms)]

    @property
    def over(self) -> Sequence[Lease]:
        """All others."""
        return [lease for lease in self.leases if not _only_warned(lease, self.now_ms)]


def _only_warned(lease: Lease, now_ms: int) -> bool:
    """Whether the lease is due only to tell its holder that the end is near."""
    return lease.state is LeaseState.ACTIVE and now_ms < lease.expires_ms


def warned(lease: Lease, now_ms: int) -> Change:
    """The lease, whose holder is told that the end is near."""
    new = lifecycle.warn(lease)
    told = Event.new(EventType.EXPIRING, now_ms, new)
    return Change(old=lease, new=new, events=(told,), may_delay_audit=True)


def abandoned(lease: Lease, now_ms: int) -> Change:
    """An intent that nobody carries out any more, ending."""
    new = lifecycle.revoke(lease, now_ms, Cause.ISSUE_FAILED, unproven=True)
    told = Event.new(EventType.ISSUE_FAILED, now_ms, new, why="the intent was abandoned")
    return Change(old=lease, new=new, events=(told,), may_delay_audit=True)


def deferred(lease: Lease, now_ms: int) -> Change:
    """The lease, ending and put off; first only until it is overdue, so that this is told."""
    new, events = lease, []
    if lease.state in lifecycle.NOT_ENDING:
        cause = Cause.TTL if lease.state is LeaseState.ACTIVE else Cause.ISSUE_FAILED
        new = lifecycle.revoke(lease, now_ms, cause, unproven=lease.state is LeaseState.PENDING)
        events.append(Event.new(EventType.REVOKING, now_ms, new))
    if is_overdue(new, now_ms):
        new = lifecycle.mark_overdue(new)
        events.append(Event.new(EventType.OVERDUE, now_ms, new))
    overdue_ms = new.expires_ms + lifecycle.OVERDUE_MS + 1
    next_ms = overdue_ms if overdue_ms > now_ms else now_ms + PUT_OFF_MS
    new = lifecycle.defer(new, next_ms, "the target is away")
    return Change(old=lease, new=new, events=tuple(events), may_delay_audit=True)
