import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leasehold.errors import Invalid
from leasehold.leases.ttl import Granted, extend, grant

spans = st.integers(1, 10 * 365 * 86_400)
asked = st.none() | st.integers(0, 10**12)


@given(asked, spans, spans)
def test_a_grant_is_positive_and_never_above_the_maximum(asked_s, default_s, max_s) -> None:
    granted = grant(asked_s, default_s=default_s, max_s=max_s)
    assert 0 < granted.ttl_s <= max_s
    wanted = asked_s or default_s
    assert granted.ttl_s == min(wanted, max_s)
    assert bool(granted.warnings) == (wanted > max_s), "what was cut is told, and nothing else"


@given(asked, spans, spans, st.integers(0, 10**9), st.integers(-(10**9), 10**9))
def test_an_extension_ends_before_every_maximum_or_is_refused(
    asked_s, default_s, max_s, elapsed_s, left_s
) -> None:
    remaining = min(left_s, max_s - elapsed_s)
    if remaining <= 0:
        with pytest.raises(Invalid, match="past the max TTL"):
            extend(asked_s, default_s=default_s, max_s=max_s, elapsed_s=elapsed_s, left_s=left_s)
        return
    granted = extend(asked_s, default_s=default_s, max_s=max_s, elapsed_s=elapsed_s, left_s=left_s)
    assert 0 < granted.ttl_s <= left_s
    assert granted.ttl_s + elapsed_s <= max_s
    assert granted.ttl_s <= (asked_s or default_s)


@given(spans, st.lists(st.tuples(asked, st.integers(0, 10_000)), max_size=50))
def test_no_series_of_renewals_passes_the_maximum_of_the_issue(max_s, renewals) -> None:
    now_s, ends_s = 0, grant(None, default_s=min(60, max_s), max_s=max_s).ttl_s
    for asked_s, wait_s in renewals:
        now_s = min(now_s + wait_s, ends_s - 1)
        assume(now_s >= 0)
        try:
            granted = extend(
                asked_s, default_s=60, max_s=10 * max_s, elapsed_s=now_s, left_s=max_s - now_s
            )
        except Invalid:
            continue
        ends_s = now_s + granted.ttl_s
        assert ends_s <= max_s


@pytest.mark.parametrize("left_s", [0, -1])
def test_a_renewal_in_the_last_second_of_the_maximum_is_refused(left_s) -> None:
    """CVE-2021-32923: Vault took a remaining time of zero for none at all, that is for ever."""
    with pytest.raises(Invalid, match="past the max TTL"):
        extend(3_600, default_s=3_600, max_s=86_400, elapsed_s=86_400, left_s=left_s)


def test_a_maximum_that_was_lowered_meanwhile_bounds_the_renewal() -> None:
    """CVE-2020-25816: Vault let a batch lease be renewed past what its maximum allowed."""
    granted = extend(7_200, default_s=3_600, max_s=3_600, elapsed_s=3_000, left_s=83_400)
    assert granted.ttl_s == 600
    with pytest.raises(Invalid):
        extend(7_200, default_s=3_600, max_s=3_600, elapsed_s=3_600, left_s=82_800)


def test_a_maximum_that_was_raised_meanwhile_does_not_lengthen_an_old_lease() -> None:
    granted = extend(86_400, default_s=3_600, max_s=86_400, elapsed_s=60, left_s=540)
    assert granted.ttl_s == 540


def test_an_increment_counts_from_now_and_may_shorten() -> None:
    assert extend(10, default_s=3_600, max_s=86_400, elapsed_s=5, left_s=86_395) == Granted(10)


@given(st.integers(max_value=-1))
def test_a_negative_span_is_refused(asked_s) -> None:
    with pytest.raises(Invalid, match="negative"):
        grant(asked_s, default_s=60, max_s=600)
    with pytest.raises(Invalid, match="negative"):
        extend(asked_s, default_s=60, max_s=600, elapsed_s=0, left_s=600)


def test_a_capped_span_says_from_what_to_what() -> None:
    [warning] = grant(7_200, default_s=60, max_s=600).warnings
    assert "7200s" in warning
    assert "600s" in warning
