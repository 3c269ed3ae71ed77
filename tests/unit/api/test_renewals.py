"""The second trap of the wire contract: Go clients spin on 400."""

import pytest

from leasehold.api.renewals import QUIET_S, REMEMBERED, FailedRenewals
from leasehold.errors import LimitReached

ONE, OTHER = "unix:uid=1", "unix:uid=2"


class Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def renewals(clock: Seconds) -> FailedRenewals:
    return FailedRenewals(clock)


def test_the_first_failure_tells_its_reason_and_a_repetition_is_told_to_wait(
    renewals: FailedRenewals, clock: Seconds
) -> None:
    renewals.failed(ONE, "a")
    clock.now += QUIET_S - 0.1
    with pytest.raises(LimitReached) as refused:
        renewals.failed(ONE, "a")
    assert refused.value.retry_after_s == 1
    clock.now += QUIET_S + 0.1
    renewals.failed(ONE, "a")


def test_other_leases_other_callers_and_a_success_are_not_held_against_it(
    renewals: FailedRenewals,
) -> None:
    renewals.failed(ONE, "a")
    renewals.failed(ONE, "b")
    renewals.failed(OTHER, "a")
    renewals.succeeded(ONE, "a")
    renewals.failed(ONE, "a")


def test_memory_is_bounded(renewals: FailedRenewals) -> None:
    for number in range(REMEMBERED + 1):
        renewals.failed(ONE, str(number))
    renewals.failed(ONE, "0")  # forgotten, so told its reason again
    with pytest.raises(LimitReached):
        renewals.failed(ONE, str(REMEMBERED))
