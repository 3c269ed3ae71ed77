from hypothesis import given
from hypothesis import strategies as st

from leasehold.engines.breaker import FAILURES, PROBE_S, Breaker


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def opened() -> tuple[Breaker, Time]:
    time = Time()
    breaker = Breaker(time)
    for _ in range(FAILURES):
        breaker.failed("no answer")
    return breaker, time


events = st.lists(
    st.sampled_from(("fail", "succeed", "ask")) | st.floats(0, 2 * PROBE_S), max_size=60
)


@given(events)
def test_an_open_breaker_lets_one_call_through_in_ten_seconds(happens) -> None:
    time = Time()
    breaker = Breaker(time)
    in_a_row, last_probe = 0, None
    for event in happens:
        if event == "fail":
            in_a_row += 1
            breaker.failed("no answer")
            if in_a_row == FAILURES:
                last_probe = time.now
        elif event == "succeed":
            in_a_row, last_probe = 0, None
            breaker.succeeded()
        elif event == "ask":
            due = breaker.probe_due
            assert breaker.allow() == due
            if last_probe is not None:
                assert due == (time.now >= last_probe + PROBE_S)
                last_probe = time.now if due else last_probe
            else:
                assert due
        else:
            time.now += event
        assert breaker.is_open == (in_a_row >= FAILURES)


def test_one_success_closes_it_and_forgets_the_reason() -> None:
    breaker, time = opened()
    assert breaker.reason == "no answer"
    time.now += PROBE_S
    assert breaker.allow()
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.reason == ""
    assert breaker.probe_in_s == 0


def test_the_wait_for_the_next_probe_is_told() -> None:
    breaker, time = opened()
    time.now += 4
    assert breaker.probe_in_s == PROBE_S - 4
    time.now += 60
    assert breaker.probe_in_s == 0


def test_calls_that_were_under_way_when_it_opened_do_not_put_the_probe_off() -> None:
    breaker, time = opened()
    for _ in range(20):
        time.now += 1
        breaker.failed("no answer")
    assert breaker.probe_due


def test_failures_with_a_success_between_them_do_not_open_it() -> None:
    breaker = Breaker(Time())
    for _ in range(10):
        breaker.failed("busy")
        breaker.failed("busy")
        breaker.succeeded()
    assert not breaker.is_open
