"""What is to become of one lease of a quarantine: store, audit and target held together. Pure.

The audit has the last word on what was decided, the target on what stands. Where the audit was set
back too, a lease that is over by the store and whose account stands is in doubt: it may have been
renewed since.
"""

from dataclasses import dataclass
from enum import StrEnum

from leasehold.leases.lifecycle import NOT_ENDING
from leasehold.model import Cause, Lease, LeaseState
from leasehold.reconcile.replay import Told

SAME_MS = 1_000
"""Ends that are nearer to each other are the same: lines bear wall time, which drifts."""


class Action(StrEnum):
    """What a release does."""

    KEEP = "keep"
    """Nothing: the lease is as the store has it, or there is neither lease nor account."""
    ADOPT = "adopt"
    """The lease lives until the end that the audit tells."""
    CLOSE = "close"
    """The account is gone: the lease ends."""
    REVOKE = "revoke"
    """The lease ended, or has to, and its account stands or may: it is taken away."""
    DOUBTFUL = "doubtful"
    """Over by the store, its account stands, and no audit says whether it was renewed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done, why, and for which cause where the lease ends."""

    action: Action
    why: str
    cause: Cause = Cause.TTL


def judge(
    lease: Lease | None, told: Told | None, stands: bool | None, now_ms: int, *, complete: bool
) -> Verdict:
    """The verdict on a lease of the store, of the audit, or of both.

    `stands` says whether its account is at the target, None when that could not be looked at.
    `complete` says that the audit has all that happened since the store.
    """
    if lease is None:
        if told is None or stands is False:
            return Verdict(Action.KEEP, "neither the store nor the target has it")
        return _unknown(told, stands, now_ms)
    if lease.state not in NOT_ENDING:
        return Verdict(Action.KEEP, "the store has it end")
    if stands is False:
        cause = told.cause if told is not None and told.cause is not None else Cause.OPERATOR
        return Verdict(Action.CLOSE, "its account is gone", cause)
    if told is not None:
        return _as_told(lease, told, now_ms)
    if lease.expires_ms > now_ms or complete or stands is None:
        return Verdict(Action.KEEP, "the audit has nothing else on it")
    return Verdict(Action.DOUBTFUL, "it is over by the store, and may have been renewed since")


def _unknown(told: Told, stands: bool | None, now_ms: int) -> Verdict:
    if told.state is LeaseState.ACTIVE and told.expires_ms > now_ms:
        return Verdict(Action.ADOPT, "it was issued since")
    if told.state is LeaseState.REVOKED and stands is None:
        return Verdict(Action.KEEP, "it was issued and ended since")
    return _ended(told)


def _as_told(lease: Lease, told: Told, now_ms: int) -> Verdict:
    if told.state is not LeaseState.ACTIVE or told.expires_ms <= now_ms:
        return _ended(told)
    if lease.identity != told.identity:
        return Verdict(Action.ADOPT, "it became somebody's since")
    if lease.replaced_by != told.replaced_by:
        return Verdict(Action.ADOPT, "it was replaced since")
    moved_ms = abs(lease.expires_ms - told.expires_ms)
    if lease.state is LeaseState.ACTIVE and moved_ms <= SAME_MS:
        return Verdict(Action.KEEP, "the store has its end")
    return Verdict(Action.ADOPT, "its end was moved since")


def _ended(told: Told) -> Verdict:
    if told.state is LeaseState.ACTIVE:
        return Verdict(Action.REVOKE, "it was over meanwhile")
    if told.state is LeaseState.PENDING:
        return Verdict(Action.REVOKE, "its issue was not finished", Cause.CRASH)
    return Verdict(Action.REVOKE, "it ended since, or has to", told.cause or Cause.TTL)
