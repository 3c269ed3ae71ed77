"""The verdict on a lease of a quarantine: what lives by the audit lives on, what ended is gone."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from fakes.leases import START_MS, a_lease
from leasehold.leases import lifecycle
from leasehold.model import AuditHead, Cause, Lease, LeaseState
from leasehold.reconcile.quarantine_verdict import SAME_MS, Action, judge
from leasehold.reconcile.replay import Told
from leasehold.reconcile.suspicion import Signs, suspicion

NOW_MS = START_MS + 10_000_000
spans = st.integers(-5_000_000, 5_000_000)


@st.composite
def leases(draw: st.DrawFn) -> Lease | None:
    """A row of the store, in any state, or none."""
    state = draw(st.none() | st.sampled_from(LeaseState))
    if state is None:
        return None
    ends_ms = NOW_MS + draw(spans)
    revoked = state is LeaseState.REVOKED
    return dataclasses.replace(
        a_lease(),
        state=state,
        expires_ms=ends_ms,
        max_expires_ms=ends_ms + 5_000_000,
        next_ms=None if revoked else ends_ms,
        ended_ms=ends_ms if revoked else None,
    )


@st.composite
def words(draw: st.DrawFn) -> Told | None:
    """The audit's last word on it, or none."""
    state = draw(st.none() | st.sampled_from(LeaseState))
    if state is None:
        return None
    ended = state not in (LeaseState.PENDING, LeaseState.ACTIVE)
    return Told(
        lease_id=a_lease().id,
        account=a_lease().account,
        identity=draw(st.sampled_from([a_lease().identity, "who-was-given-it"])),
        replaced_by=draw(st.sampled_from(["", "its-successor"])),
        state=state,
        expires_ms=NOW_MS + draw(spans),
        cause=draw(st.sampled_from(Cause)) if ended else None,
        target="t",
    )


@given(leases(), words(), st.none() | st.booleans(), st.booleans())
def test_a_verdict_is_right_by_the_audit_and_the_target(
    lease: Lease | None, told: Told | None, stands: bool | None, complete: bool
) -> None:
    verdict = judge(lease, told, stands, NOW_MS, complete=complete)
    may_end = lease is None or lease.state in lifecycle.NOT_ENDING
    lives = told is not None and told.state is LeaseState.ACTIVE and told.expires_ms > NOW_MS
    if not may_end:
        assert verdict.action is Action.KEEP, "an end is never taken back"
    elif lives and stands is not False:
        assert told is not None
        assert verdict.action in (Action.ADOPT, Action.KEEP), "what lives by the audit lives on"
        if verdict.action is Action.KEEP:
            assert lease is not None
            assert abs(lease.expires_ms - told.expires_ms) <= SAME_MS
            same = (lease.identity, lease.replaced_by)
            assert same == (told.identity, told.replaced_by)
    elif lease is not None and stands is False:
        assert verdict.action is Action.CLOSE
    elif told is not None and stands:
        assert verdict.action is Action.REVOKE, "what ended by the audit does not stand"
    elif told is None and lease is not None:
        in_doubt = lease.expires_ms <= NOW_MS and stands and not complete
        assert verdict.action is (Action.DOUBTFUL if in_doubt else Action.KEEP)
    if verdict.action in (Action.CLOSE, Action.REVOKE) and told is not None and told.cause:
        assert verdict.cause is told.cause


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.booleans())
def test_a_store_is_suspected_for_its_audit_then_the_broker_then_by_hand(
    known: int, more: int, behind: int, asked: bool
) -> None:
    kept = AuditHead(known + behind, "0" * 64)
    signs = Signs(known=known, knew=known + more if more else 0, last=known, kept=kept, asked=asked)
    found = suspicion(signs)
    assert (found is not None) == bool(more or behind or asked)
    if found is not None:
        assert found[1] == bool(more), "only an audit that went on has all that happened since"
