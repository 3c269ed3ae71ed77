"""When a lease is seen to: the schedule, against a daemon that keeps the real rules."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from leasehold.client.replies import IssuedCredential, Unreachable
from leasehold.client.succession import Act, Generation, Succession
from leasehold.client.term import FIRST_PAUSE_S, LONGEST_PAUSE_S, Step, Term, begun, pause_s
from leasehold.errors import Denied, Invalid, LimitReached, NotFound, Unavailable
from leasehold.leases import ttl

chances = st.floats(0, 1, exclude_max=True)
spans = st.integers(2, 5000)
ROUNDING = 1e-6


@dataclass
class Daemon:
    """One lease as the daemon keeps it, by the daemon's own arithmetic."""

    max_s: int
    ends: float
    renewals: int = 0

    def renew(self, now: float, asked_s: int) -> int:
        assert now < self.ends, "renewed after its end"
        self.renewals += 1
        left_s = int(self.max_s - now)
        granted = ttl.extend(
            asked_s, default_s=asked_s, max_s=self.max_s, elapsed_s=int(now), left_s=left_s
        )
        self.ends = now + granted.ttl_s
        return granted.ttl_s


@given(spans, spans, st.lists(chances, min_size=1, max_size=20), st.floats(0, 0.5))
def test_a_lease_lives_to_its_maximum_without_a_gap(
    ttl_s: int, longer_s: int, drawn: list[float], delay: float
) -> None:
    daemon = Daemon(max_s=ttl_s + longer_s, ends=ttl_s)
    term, turn = begun(ttl_s, True, 0.0, drawn[0]), 0
    while term.step is Step.RENEW:
        turn += 1
        now = term.due
        assert now < term.ends <= daemon.ends
        term = term.granted(daemon.renew(now + delay, ttl_s), True, now, drawn[turn % len(drawn)])
    assert term.step is Step.NOTHING
    assert daemon.max_s - term.ends < 1 + delay + 1  # whole seconds, and the way there
    assert daemon.renewals <= 2 * daemon.max_s / ttl_s * 1.5 + 3


@given(spans, chances)
def test_a_renewal_is_due_at_half_of_a_life_or_a_little_before(ttl_s: int, chance: float) -> None:
    gone = (begun(ttl_s, True, 100.0, chance).due - 100) / ttl_s
    assert 0.4 - ROUNDING <= gone <= 0.5 + ROUNDING


def test_what_is_not_renewable_is_left_to_its_end() -> None:
    assert begun(60, False, 0.0, 0.0).step is Step.NOTHING


@given(spans, st.lists(chances, min_size=1, max_size=9))
def test_a_daemon_that_is_away_is_asked_again_as_long_as_the_lease_lives(
    ttl_s: int, drawn: list[float]
) -> None:
    term, now, asked = begun(ttl_s, True, 0.0, drawn[0]), 0.0, 0
    while term.due < term.ends:
        now, asked = term.due, asked + 1
        term = term.failed(Unreachable("nobody"), now, drawn[asked % len(drawn)])
        assert term.alive(now)
        pause = term.due - now
        assert FIRST_PAUSE_S / 2 - ROUNDING <= pause <= LONGEST_PAUSE_S + ROUNDING
    assert asked >= 2
    assert not term.alive(term.ends)


@given(st.integers(0, 1000), chances)
def test_pauses_double_up_to_a_limit_unless_the_daemon_says_more(tries: int, chance: float) -> None:
    pause = pause_s(tries, Unreachable("nobody"), chance)
    assert pause <= min(FIRST_PAUSE_S * 2**tries, LONGEST_PAUSE_S) <= 2 * pause
    assert pause_s(tries, LimitReached("many", retry_after_s=60), chance) == 60
    assert pause_s(tries, Unavailable("disk", retry_after_s=60), chance) == 60


def test_a_refused_renewal_is_looked_into() -> None:
    term = begun(60, True, 0.0, 0.0).failed(Denied("no rule"), 30.0, 0.0)
    assert (term.step, term.due) == (Step.LOOK, 30.0)
    lives = term.found(30, 30.0, 0.0)
    assert (lives.step, lives.ends, str(lives.why)) == (Step.NOTHING, 60.0, "no rule")
    for ended in (term.failed(Invalid("invalid lease"), 30.0, 0.0), term.found(0, 30.0, 0.0)):
        assert ended.over
        assert not ended.alive(30.0)


def test_a_look_that_is_denied_changes_nothing_of_what_is_known() -> None:
    term = begun(60, True, 0.0, 0.0).doubted(10.0).failed(Denied("no rule"), 10.0, 0.0)
    assert (term.step, term.ends, term.over) == (Step.NOTHING, 60.0, False)


def test_a_doubt_that_is_unfounded_leaves_the_lease_renewed() -> None:
    doubted = begun(60, True, 0.0, 0.0).doubted(10.0)
    assert doubted.in_doubt(10.0)
    assert not doubted.in_doubt(13.0)  # who waits is not held up by a daemon that hangs
    assert doubted.found(50, 10.0, 0.0).step is Step.RENEW
    assert doubted.failed(NotFound("gone"), 10.0, 0.0).over


# What a pool does about it.


def generation(term: Term) -> Generation[None]:
    issued = IssuedCredential(lease_id="a/creds/b/1", ttl_s=1, renewable=True, fields={})
    made: Generation[None] = Generation(issued, 0.0, None)
    made.term = term
    return made


@given(spans, chances)
def test_a_lease_at_its_maximum_is_replaced_while_a_quarter_of_its_life_is_left(
    ttl_s: int, chance: float
) -> None:
    succession: Succession[None] = Succession("a/creds/b")
    first = begun(ttl_s, True, 0.0, chance)
    succession.swap(generation(first))
    assert succession.act(first.due) == (Act.SEE_TO, 0.0)
    capped = first.granted(ttl_s - 1, True, first.due, chance)
    succession.swap(generation(capped))
    assert succession.act(capped.due) == (Act.REPLACE, 0.0)
    assert capped.ends - capped.due >= (ttl_s - 1) / 2 - ROUNDING


def test_while_no_successor_can_be_had_the_old_one_serves_to_its_end() -> None:
    succession: Succession[None] = Succession("a/creds/b")
    old = generation(begun(60, False, 0.0, 0.0))
    succession.swap(old)
    assert succession.act(0.0) == (Act.REPLACE, 30.0)
    succession.failed(Unreachable("nobody"), 30.0, 0.9)
    act, left_s = succession.act(30.0)
    assert act is Act.REPLACE
    assert 0 < left_s <= FIRST_PAUSE_S
    assert succession.usable(59.9) is old
    assert succession.usable(60.0) is None
    assert succession.act(60.0) == (Act.RETIRE, 0.0)
    assert succession.swap(None) is old
    assert succession.act(61.0) == (Act.REPLACE, 0.0)
    assert "no credential: nobody" in str(succession.lost())


def test_a_revoked_lease_is_retired_at_once() -> None:
    succession: Succession[None] = Succession("a/creds/b")
    old = generation(begun(60, True, 0.0, 0.0).doubted(1.0))
    succession.swap(old)
    assert succession.usable(1.0) is None
    assert succession.undecided(old, 1.0)
    old.term = old.term.failed(Invalid("invalid lease"), 1.0, 0.0)
    assert not succession.stands(old)
    assert succession.act(1.0) == (Act.RETIRE, 0.0)


def test_where_no_other_can_be_taken_the_last_is_told_once_before_its_end() -> None:
    succession: Succession[None] = Succession("a/creds/b", last=True)
    only = generation(begun(60, True, 0.0, 0.0))
    succession.swap(only)
    assert succession.act(30.0) == (Act.SEE_TO, 0.0)
    only.term = only.term.granted(40, True, 30.0, 0.0)
    assert succession.act(50.0) == (Act.WARN, 0.0)
    succession.warned()
    assert succession.act(50.0) == (Act.RETIRE, 20.0)
