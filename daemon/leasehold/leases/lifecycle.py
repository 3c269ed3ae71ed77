"""The life of a lease as a table and the moves through it. Pure.

    pending ─activate─▶ active ─renew─▶ active
       │                  │
       └──── revoke ──────┴─▶ revoking ─▶ disabled ─▶ revoked

Two rules: every change of a lease is made by a function of this module, and none of them looks at a
clock; the instant is handed in. Each returns a new lease with its version one higher; the store
writes it only where the old version still stands.
"""

from collections.abc import Mapping
from dataclasses import replace

from leasehold.errors import Conflict
from leasehold.model import Cause, Lease, LeaseState

MOVES: Mapping[LeaseState, frozenset[LeaseState]] = {
    LeaseState.PENDING: frozenset({LeaseState.ACTIVE, LeaseState.REVOKING}),
    LeaseState.ACTIVE: frozenset({LeaseState.ACTIVE, LeaseState.REVOKING}),
    LeaseState.REVOKING: frozenset({LeaseState.REVOKING, LeaseState.DISABLED, LeaseState.REVOKED}),
    LeaseState.DISABLED: frozenset({LeaseState.DISABLED, LeaseState.REVOKED}),
    LeaseState.REVOKED: frozenset(),
}
NOT_ENDING = (LeaseState.PENDING, LeaseState.ACTIVE)
ENDING = (LeaseState.REVOKING, LeaseState.DISABLED)
LIVE = (*NOT_ENDING, *ENDING)

EXPIRING_FRACTION = 0.8
"""A well-behaved client renews at two thirds of a lease; who has not by here is late."""
OVERDUE_MS = 30_000
"""How long after its deadline an account may stand before it is overdue."""
QUARANTINE_ATTEMPTS = 10
"""Failed attempts after which a lease goes to the slow lane; it is still tried for ever (Q4)."""
SECOND_LOOK = "a second look for a late create is due"
UNTRIED = "no attempt was made"
BACKOFF_FIRST_MS, BACKOFF_CAP_MS = 2_000, 300_000


def _move(lease: Lease, state: LeaseState, **changes: object) -> Lease:
    if state not in MOVES[lease.state]:
        raise Conflict(f"lease {lease.id} is {lease.state}, it cannot become {state}")
    return replace(lease, state=state, version=lease.version + 1, **changes)  # type: ignore[arg-type]


def _warn_ms(start_ms: int, expires_ms: int) -> int:
    return start_ms + int((expires_ms - start_ms) * EXPIRING_FRACTION)


def activate(lease: Lease, handle: Mapping[str, str]) -> Lease:
    """The account stands and the caller may have its credential."""
    return _move(
        lease,
        LeaseState.ACTIVE,
        handle=handle,
        next_ms=_warn_ms(lease.issued_ms, lease.expires_ms),
    )


def hand_over(lease: Lease, now_ms: int, *, ttl_ms: int, max_ttl_ms: int, **whose: object) -> Lease:
    """An unused lease becomes somebody's, as if it were issued now; `whose` says all of whose."""
    if lease.state is not LeaseState.ACTIVE or now_ms >= lease.expires_ms:
        raise Conflict(f"lease {lease.id} is over, it is nobody's any more")
    return _move(
        lease,
        LeaseState.ACTIVE,
        issued_ms=now_ms,
        ttl_ms=ttl_ms,
        expires_ms=now_ms + ttl_ms,
        max_expires_ms=now_ms + max_ttl_ms,
        warned=False,
        next_ms=_warn_ms(now_ms, now_ms + ttl_ms),
        **whose,
    )


def renew(lease: Lease, now_ms: int, expires_ms: int) -> Lease:
    """The deadline moves to `expires_ms`, at most the lease's own maximum (rule W14)."""
    if lease.state is not LeaseState.ACTIVE or now_ms >= lease.expires_ms:
        raise Conflict(f"lease {lease.id} is over, it cannot be renewed")
    if not now_ms < expires_ms <= lease.max_expires_ms:
        raise Conflict(f"lease {lease.id} cannot end at that instant")
    return _move(
        lease,
        LeaseState.ACTIVE,
        expires_ms=expires_ms,
        ttl_ms=expires_ms - now_ms,
        renewed_ms=now_ms,
        warned=False,
        next_ms=_warn_ms(now_ms, expires_ms),
    )


def replace_by(lease: Lease, now_ms: int, expires_ms: int, successor: str) -> Lease:
    """Another lease takes its place; it ends at `expires_ms`, which nothing moves any more."""
    if lease.state is not LeaseState.ACTIVE or now_ms >= lease.expires_ms:
        raise Conflict(f"lease {lease.id} is over, it cannot be replaced")
    if not now_ms < expires_ms <= lease.max_expires_ms:
        raise Conflict(f"lease {lease.id} cannot end at that instant")
    return _move(
        lease,
        LeaseState.ACTIVE,
        expires_ms=expires_ms,
        max_expires_ms=expires_ms,
        replaced_by=successor,
        warned=True,
        next_ms=expires_ms,
    )


def cap(lease: Lease, now_ms: int, max_expires_ms: int) -> Lease:
    """The lease ends at `max_expires_ms` at the latest, which is earlier than it was to be."""
    if not now_ms < max_expires_ms <= lease.max_expires_ms:
        raise Conflict(f"lease {lease.id} cannot be capped at that instant")
    expires_ms = min(lease.expires_ms, max_expires_ms)
    start_ms = lease.renewed_ms or lease.issued_ms
    return _move(
        lease,
        LeaseState.ACTIVE,
        expires_ms=expires_ms,
        max_expires_ms=max_expires_ms,
        next_ms=expires_ms if lease.warned else _warn_ms(start_ms, expires_ms),
    )


def adopt(lease: Lease, now_ms: int, expires_ms: int, **since: object) -> Lease:
    """The lease ends at `expires_ms`, as was decided before an older store was put back.

    Unlike a renewal it may come after the end that the older store knows. `since` says what else
    became of the lease.
    """
    lease = replace(lease, **since)  # type: ignore[arg-type]
    active = lease if lease.state is LeaseState.ACTIVE else activate(lease, lease.handle)
    expires_ms = min(expires_ms, lease.max_expires_ms)
    if expires_ms <= now_ms:
        raise Conflict(f"lease {lease.id} is over, it cannot be adopted")
    return _move(
        active,
        LeaseState.ACTIVE,
        expires_ms=expires_ms,
        renewed_ms=now_ms,
        warned=False,
        next_ms=_warn_ms(now_ms, expires_ms),
    )


def close(lease: Lease, now_ms: int, cause: Cause) -> Lease:
    """The account was seen to be gone, without an attempt to take it away."""
    return end(revoke(lease, now_ms, cause), now_ms)


def warn(lease: Lease) -> Lease:
    """The holder was told that the end is near; next is the end itself."""
    return _move(lease, LeaseState.ACTIVE, warned=True, next_ms=lease.expires_ms)


def revoke(lease: Lease, now_ms: int, cause: Cause, *, unproven: bool = False) -> Lease:
    """The account must go; the deadline is now, or where it was if that is earlier.

    `unproven` when a create may still arrive at the target (rule W7). The first attempt is due now.
    """
    return _move(
        lease,
        LeaseState.REVOKING,
        cause=cause,
        unproven=unproven,
        next_ms=now_ms,
        expires_ms=max(lease.issued_ms + 1, min(lease.expires_ms, now_ms)),
    )


def hasten(lease: Lease, now_ms: int, cause: Cause, *, unproven: bool = False) -> Lease:
    """As `revoke`, for one of many: the one that would have lived longest is due first."""
    left_ms = max(0, lease.expires_ms - now_ms)
    return replace(revoke(lease, now_ms, cause, unproven=unproven), next_ms=now_ms - left_ms)


def disable(lease: Lease, next_ms: int, why: str) -> Lease:
    """Access has ended but the account still stands, or must be looked for once more."""
    return _move(
        lease,
        LeaseState.DISABLED,
        next_ms=next_ms,
        last_error=why,
        attempts=lease.attempts + 1,
    )


def fail(
    lease: Lease, now_ms: int, reason: str, jitter: float, *, target_away: bool = False
) -> Lease:
    """An attempt failed: try again after a backoff that doubles up to a cap, for ever.

    The lease is looked at when it gets overdue, however long the backoff is, so that this is told.
    `jitter` is a random number in [0, 1) that spreads the attempts by a quarter. A target that is
    away says nothing about this lease, so that never quarantines it.
    """
    attempts = lease.attempts + 1
    wait = min(BACKOFF_FIRST_MS * 2 ** min(attempts - 1, 20), BACKOFF_CAP_MS)
    next_ms = now_ms + wait - int(wait * jitter / 4)
    overdue_ms = lease.expires_ms + OVERDUE_MS + 1
    if now_ms < overdue_ms:
        next_ms = min(next_ms, overdue_ms)
    return _move(
        lease,
        lease.state,
        attempts=attempts,
        last_error=reason,
        quarantined=lease.quarantined or (attempts > QUARANTINE_ATTEMPTS and not target_away),
        next_ms=next_ms,
    )


def defer(lease: Lease, next_ms: int, reason: str) -> Lease:
    """No attempt was made, since the target is away; look again at `next_ms`."""
    return _move(lease, lease.state, next_ms=next_ms, last_error=reason)


def mark_overdue(lease: Lease) -> Lease:
    """The account outlived its lease, and that has been told."""
    return _move(lease, lease.state, overdue=True)


def end(lease: Lease, now_ms: int) -> Lease:
    """The account is gone. The row stays as a tombstone (rule W16)."""
    return _move(lease, LeaseState.REVOKED, next_ms=None, ended_ms=now_ms, last_error="")


def force(lease: Lease, now_ms: int) -> Lease:
    """The lease ends by an operator's word although its account was not seen gone.

    The tombstone keeps why the account could not be taken away, as no other does.
    """
    return _move(
        lease,
        LeaseState.REVOKED,
        next_ms=None,
        ended_ms=now_ms,
        cause=Cause.OPERATOR,
        last_error=lease.last_error or UNTRIED,
    )


def was_forced(lease: Lease) -> bool:
    """Whether the lease ended while its account may have stood."""
    return lease.state is LeaseState.REVOKED and lease.last_error != ""


def looks_again(lease: Lease) -> bool:
    """Whether the lease waits for a second look at its account (rule W7), and for nothing else."""
    return lease.state is LeaseState.DISABLED and lease.last_error == SECOND_LOOK
