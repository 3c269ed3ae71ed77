"""Issues come as fast as a rate allows, and no faster."""

from hypothesis import given
from hypothesis import strategies as st

from leasehold.admission.rates import IssueRates
from leasehold.quota import Rate

rates = st.builds(Rate, st.integers(1, 50), st.integers(1, 3_600))
pauses_ms = st.lists(st.integers(0, 5_000), min_size=1, max_size=60)


def taken(buckets: IssueRates, rate: Rate, at_ms: int) -> bool:
    return buckets.take("one", rate, at_ms) == 0


@given(rates, pauses_ms)
def test_in_no_stretch_are_more_taken_than_the_burst_and_what_came_back(rate, pauses) -> None:
    buckets, now_ms, took = IssueRates(), 1_000_000, []
    for pause in pauses:
        now_ms += pause
        if taken(buckets, rate, now_ms):
            took.append(now_ms)
        assert 0 <= buckets.used("one", rate, now_ms) <= rate.count
    for first, began_ms in enumerate(took):
        for last, ended_ms in enumerate(took[first:], first):
            came_back = (ended_ms - began_ms) / 1000 / rate.pause_s
            assert last - first + 1 <= rate.count + came_back + 1e-6


@given(rates)
def test_a_whole_burst_is_there_at_once_and_again_after_the_span(rate) -> None:
    buckets = IssueRates()
    for now_ms in (1_000_000, 1_000_000 + rate.span_s * 1000):
        assert all(taken(buckets, rate, now_ms) for _ in range(rate.count))
        assert buckets.used("one", rate, now_ms) == rate.count
        assert not taken(buckets, rate, now_ms)


@given(rates, st.integers(0, 100))
def test_who_waits_as_long_as_told_is_served_and_not_before(rate, more) -> None:
    buckets, now_ms = IssueRates(), 1_000_000
    for _ in range(rate.count + more):
        wait_s = buckets.take("one", rate, now_ms)
    if more:
        assert 0 < wait_s <= rate.pause_s + 1e-9
        assert not taken(buckets, rate, now_ms + int(wait_s * 1000) - 1)
        assert taken(buckets, rate, now_ms + int(wait_s * 1000) + 1)


def test_one_identity_does_not_take_from_another() -> None:
    buckets, rate = IssueRates(), Rate(1, 60)
    assert buckets.take("one", rate, 0) == 0
    assert buckets.take("one", rate, 0) == 60
    assert buckets.take("two", rate, 0) == 0


def test_another_rate_forgives_nothing() -> None:
    buckets = IssueRates()
    for _ in range(10):
        buckets.take("one", Rate(10, 60), 0)
    assert buckets.take("one", Rate(5, 60), 0) > 0
    assert buckets.used("one", Rate(5, 60), 0) == 5
