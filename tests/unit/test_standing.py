"""When a static password is due, by the policy alone."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from leasehold.standing import Schedule

MONDAY = datetime(2026, 1, 5, 12, tzinfo=UTC)
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(INSTANTS, INSTANTS, st.integers(5, 10**8))
def test_a_span_is_counted_from_the_last_rotation_whatever_the_time_is(
    last: datetime, now: datetime, every_s: int
) -> None:
    found = Schedule(every_s=every_s).next(last, now, by_kept=False)
    assert found == last + timedelta(seconds=every_s)


def test_cron_is_of_its_time_zone() -> None:
    schedule = Schedule(cron="0 3 * * 6", timezone="Europe/Berlin")
    assert schedule.next(MONDAY, MONDAY, by_kept=False) == datetime(2026, 1, 10, 2, tzinfo=UTC)


def test_an_instant_of_cron_that_was_missed_is_made_up_for_without_a_window() -> None:
    schedule = Schedule(cron="0 3 * * 6")
    weeks_later = MONDAY + timedelta(days=30)
    missed = schedule.next(MONDAY, weeks_later, by_kept=False)
    assert missed == datetime(2026, 1, 10, 3, tzinfo=UTC)


@given(INSTANTS, st.integers(0, 10**7), st.integers(60, 86_400))
def test_a_rotation_by_cron_never_begins_outside_of_its_window(
    last: datetime, waited_s: int, window_s: int
) -> None:
    now = last + timedelta(seconds=waited_s)
    due = Schedule(cron="30 2 * * *", window_s=window_s).next(last, now, by_kept=False)
    assert due is not None
    assert due > last
    assert (due.hour, due.minute) == (2, 30)
    assert now - due < timedelta(seconds=window_s)
    earlier = due - timedelta(days=1)
    assert earlier <= last or now - earlier >= timedelta(seconds=window_s)


def test_a_date_is_kept_a_window_before_it_and_once() -> None:
    by = datetime(2026, 12, 31, tzinfo=UTC)
    assert Schedule(by=by).next(MONDAY, MONDAY, by_kept=False) == by - timedelta(days=1)
    assert Schedule(by=by).next(MONDAY, MONDAY, by_kept=True) is None


def test_events_alone_plan_nothing() -> None:
    assert Schedule().next(MONDAY, MONDAY, by_kept=False) is None
