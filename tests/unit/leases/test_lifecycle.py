from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.leases import START_MS, a_lease
from leasehold.errors import Conflict
from leasehold.leases import lifecycle
from leasehold.model import Cause, Lease, LeaseState

HOUR_MS = 3_600_000
FROZEN = ("id", "mount", "role", "engine", "identity", "account", "target", "recipe_id")
DEADLINE_MS, MAX_MS = START_MS + HOUR_MS, START_MS + 24 * HOUR_MS
instants = st.one_of(
    st.sampled_from([START_MS, DEADLINE_MS - 1, DEADLINE_MS, MAX_MS, MAX_MS + 1]),
    st.integers(START_MS, DEADLINE_MS),
    st.integers(START_MS, START_MS + 30 * HOUR_MS),
)
jitters = st.floats(0, 1, exclude_max=True)
ENDING = (LeaseState.REVOKING, LeaseState.DISABLED)


def pending(ttl_ms: int = HOUR_MS, max_ms: int = 24 * HOUR_MS) -> Lease:
    return a_lease(
        state=LeaseState.PENDING,
        ttl_ms=ttl_ms,
        expires_ms=START_MS + ttl_ms,
        max_expires_ms=START_MS + max_ms,
        next_ms=START_MS + 60_000,
    )


MOVES = st.one_of(
    st.builds(lambda: lambda lease: lifecycle.activate(lease, {"oid": "7"})),
    st.builds(lambda now, to: lambda lease: lifecycle.renew(lease, now, to), instants, instants),
    st.builds(lambda now, to: lambda lease: lifecycle.cap(lease, now, to), instants, instants),
    st.builds(lambda: lambda lease: lifecycle.warn(lease)),
    st.builds(
        lambda now, cause, unproven: (
            lambda lease: lifecycle.revoke(lease, now, cause, unproven=unproven)
        ),
        instants,
        st.sampled_from(Cause),
        st.booleans(),
    ),
    st.builds(lambda now: lambda lease: lifecycle.disable(lease, now, "owned objects"), instants),
    st.builds(
        lambda now, jitter, away: (
            lambda lease: lifecycle.fail(lease, now, "away", jitter, target_away=away)
        ),
        instants,
        jitters,
        st.booleans(),
    ),
    st.builds(lambda now: lambda lease: lifecycle.defer(lease, now, "away"), instants),
    st.builds(lambda: lambda lease: lifecycle.mark_overdue(lease)),
    st.builds(lambda now: lambda lease: lifecycle.end(lease, now), instants),
    st.builds(lambda now: lambda lease: lifecycle.force(lease, now), instants),
)


@given(st.integers(1, 24 * HOUR_MS), st.integers(0, 24 * HOUR_MS), st.lists(MOVES, min_size=1))
def test_no_sequence_of_moves_leaves_the_table(ttl_ms, more_ms, moves) -> None:
    lease = pending(ttl_ms, ttl_ms + more_ms)
    for move in moves:
        try:
            new = move(lease)
        except Conflict:
            continue
        assert new.state in lifecycle.MOVES[lease.state]
        assert new.version == lease.version + 1
        assert new.issued_ms < new.expires_ms <= new.max_expires_ms <= lease.max_expires_ms
        assert (new.next_ms is None) == (new.state is LeaseState.REVOKED)
        assert [getattr(new, name) for name in FROZEN] == [getattr(lease, name) for name in FROZEN]
        if new.expires_ms > lease.expires_ms:
            # Only a renewal moves the deadline back.
            assert new.ttl_ms == new.expires_ms - new.renewed_ms
        lease = new


@given(st.sampled_from(ENDING), st.sampled_from(["", "denied"]), instants)
def test_a_lease_that_was_forced_is_told_from_one_whose_account_went(state, why, now_ms) -> None:
    lease = a_lease(state=state, last_error=why, cause=Cause.TTL)
    forced, ended = lifecycle.force(lease, now_ms), lifecycle.end(lease, now_ms)
    assert [lifecycle.was_forced(each) for each in (lease, forced, ended)] == [False, True, False]
    assert (forced.cause, ended.cause) == (Cause.OPERATOR, Cause.TTL)
    assert why in forced.last_error


def test_only_what_is_ending_can_be_forced() -> None:
    for state in set(LeaseState) - set(ENDING):
        with pytest.raises(Conflict):
            lifecycle.force(a_lease(state=state), START_MS)


@given(st.lists(MOVES, min_size=1), instants)
def test_a_revoked_lease_never_moves_again(moves, now_ms) -> None:
    ended = lifecycle.end(lifecycle.revoke(pending(), START_MS, Cause.HOLDER), now_ms)
    for move in moves:
        with pytest.raises(Conflict):
            move(ended)


@given(instants, instants)
def test_a_renewal_is_refused_or_ends_within_the_maximum(now_ms, expires_ms) -> None:
    lease = lifecycle.warn(lifecycle.activate(pending(), {}))
    legal = now_ms < lease.expires_ms and now_ms < expires_ms <= lease.max_expires_ms
    if not legal:
        with pytest.raises(Conflict):
            lifecycle.renew(lease, now_ms, expires_ms)
        return
    renewed = lifecycle.renew(lease, now_ms, expires_ms)
    assert renewed.expires_ms == expires_ms
    assert renewed.ttl_ms == expires_ms - now_ms
    assert now_ms <= renewed.next_ms <= expires_ms
    assert not renewed.warned


@pytest.mark.parametrize("state", [*ENDING, LeaseState.PENDING, LeaseState.REVOKED])
def test_only_an_active_lease_is_renewed(state) -> None:
    with pytest.raises(Conflict):
        lifecycle.renew(a_lease(state=state), START_MS, START_MS + HOUR_MS)


@given(st.sampled_from(ENDING), st.integers(0, 100), instants, jitters, st.booleans())
def test_the_wait_for_another_attempt_doubles_up_to_a_cap_or_until_it_is_overdue(
    state, attempts, now_ms, jitter, away
) -> None:
    lease = a_lease(state=state, attempts=attempts)
    failed = lifecycle.fail(lease, now_ms, "busy", jitter, target_away=away)
    longest = min(2_000 * 2**attempts, 300_000)
    overdue_in_ms = lease.expires_ms + lifecycle.OVERDUE_MS + 1 - now_ms
    most = overdue_in_ms if overdue_in_ms > 0 else longest
    assert min(longest * 3 / 4, most) <= failed.next_ms - now_ms <= min(longest, most)
    assert failed.attempts == attempts + 1
    assert failed.state is state


def test_ten_failures_quarantine_a_lease_unless_its_target_is_away() -> None:
    alone = away = a_lease(state=LeaseState.REVOKING)
    for attempt in range(1, 40):
        alone = lifecycle.fail(alone, START_MS, "denied", 0.5)
        away = lifecycle.fail(away, START_MS, "no answer", 0.5, target_away=True)
        assert alone.quarantined == (attempt > 10)
        assert not away.quarantined
    assert lifecycle.fail(alone, START_MS, "no answer", 0.5, target_away=True).quarantined


@given(instants, st.sampled_from(Cause))
def test_revoking_moves_the_deadline_to_now_and_never_later(now_ms, cause) -> None:
    lease = lifecycle.activate(pending(), {})
    ending = lifecycle.revoke(lease, now_ms, cause)
    assert ending.expires_ms <= lease.expires_ms
    assert ending.expires_ms <= max(now_ms, lease.issued_ms + 1)
    assert ending.next_ms == now_ms


@given(st.integers(2, 24 * HOUR_MS))
def test_the_holder_is_told_before_the_end_and_then_the_end_is_next(ttl_ms) -> None:
    lease = lifecycle.activate(pending(ttl_ms), {})
    assert lease.issued_ms < lease.next_ms < lease.expires_ms
    warned = lifecycle.warn(lease)
    assert warned.warned
    assert warned.next_ms == warned.expires_ms


def test_the_moves_of_the_table_lead_to_the_end_from_everywhere() -> None:
    ends = {LeaseState.REVOKED}
    for _ in LeaseState:
        ends |= {state for state, after in lifecycle.MOVES.items() if after & ends}
    assert ends == set(LeaseState)
    assert {state for state, after in lifecycle.MOVES.items() if not after} == {LeaseState.REVOKED}


def test_a_change_makes_a_new_value_and_leaves_the_old_one() -> None:
    lease = pending()
    before = replace(lease)
    lifecycle.activate(lease, {"oid": "7"})
    assert lease == before


def test_a_failure_is_followed_by_a_look_when_the_lease_gets_overdue() -> None:
    lease = lifecycle.revoke(a_lease(), START_MS, Cause.OPERATOR)
    overdue_ms = lease.expires_ms + lifecycle.OVERDUE_MS + 1
    for _ in range(6):
        lease = lifecycle.fail(lease, overdue_ms - 5_000, "busy", 0.5, target_away=True)
    assert lease.next_ms == overdue_ms
    assert (lifecycle.fail(lease, overdue_ms, "busy", 0.5).next_ms or 0) > overdue_ms + 30_000
