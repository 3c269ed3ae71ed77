"""Who fails too often waits, and nobody else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.errors import LimitReached
from leasehold.failures import REMEMBERED, WINDOW_S, Failures


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), max_size=60))
def test_no_span_of_the_window_has_more_failures_of_one_peer(
    steps: list[tuple[str, int]],
) -> None:
    now = 0
    let: dict[str, list[int]] = {"a": [], "b": []}
    failures = Failures(lambda: now, 3, "things failed")
    for peer, pause_s in steps:
        now += pause_s
        recent = [at for at in let[peer] if at > now - WINDOW_S]
        if len(recent) < 3:
            failures.check(peer)
            failures.failed(peer)
            let[peer].append(now)
            continue
        with pytest.raises(LimitReached) as limit:
            failures.check(peer)
        again = now + limit.value.retry_after_s
        assert recent[0] + WINDOW_S <= again < recent[0] + WINDOW_S + 1


def test_only_so_many_peers_are_remembered_and_those_the_latest() -> None:
    failures = Failures(lambda: 0.0, 1, "things failed")
    for number in range(REMEMBERED + 1):
        failures.failed(f"{number}")
    failures.check("0")
    with pytest.raises(LimitReached, match="1 things failed within 60 s"):
        failures.check("1")
