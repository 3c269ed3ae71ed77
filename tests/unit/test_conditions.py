"""Hours are those that the zone's clock shows; a clock in doubt counts against the caller."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.conditions import DAY_MIN, Circumstances, Requirement, Window, labels_of
from leasehold.errors import Invalid

ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Asia/Kolkata"]
)
windows = st.builds(
    Window,
    days=st.frozensets(st.integers(0, 6), min_size=1),
    start_min=st.integers(0, DAY_MIN - 1),
    end_min=st.integers(1, DAY_MIN),
    timezone=ZONES,
).filter(lambda it: it.start_min != it.end_min)
instants = st.integers(0, 12 * 366 * DAY_MIN).map(
    lambda minutes: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@given(windows, instants)
def test_a_window_holds_by_what_the_wall_shows(window: Window, at: datetime) -> None:
    shown = at.astimezone(ZoneInfo(window.timezone)).replace(tzinfo=None)
    found = False
    for back in (0, 1):
        day = shown.replace(hour=0, minute=0, second=0) - timedelta(days=back)
        length = window.end_min + (DAY_MIN if window.end_min <= window.start_min else 0)
        begins = day + timedelta(minutes=window.start_min)
        ends = day + timedelta(minutes=length)
        found = found or (day.weekday() in window.days and begins <= shown < ends)
    assert window.holds(at) == found


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))


def test_hours_follow_the_change_of_clocks() -> None:
    office = Window(days=frozenset(range(5)), start_min=480, end_min=1080, timezone="Europe/Berlin")
    assert office.holds(datetime(2026, 1, 5, 7, 0, tzinfo=UTC))
    assert not office.holds(datetime(2026, 7, 6, 16, 0, tzinfo=UTC))
    assert office.holds(datetime(2026, 7, 6, 6, 0, tzinfo=UTC))
    assert not office.holds(datetime(2026, 1, 5, 6, 59, tzinfo=UTC))
    # 02:30 is shown twice on the night of 25 October, and both times are inside.
    night = Window(start_min=120, end_min=180, timezone="Europe/Berlin")
    assert night.holds(datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
    assert night.holds(datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
    # On 29 March it is never shown.
    day = [datetime(2026, 3, 29, tzinfo=UTC) + timedelta(minutes=m) for m in range(0, 600, 5)]
    assert not any(night.holds(at) for at in day)


def test_a_night_belongs_to_the_day_it_begins_on() -> None:
    night = Window(days=frozenset({4}), start_min=22 * 60, end_min=6 * 60, timezone="Europe/Berlin")
    assert night.holds(berlin("2026-01-09 22:00"))
    assert night.holds(berlin("2026-01-10 05:59"))
    assert not night.holds(berlin("2026-01-10 22:00"))
    assert not night.holds(berlin("2026-01-09 05:00"))
    assert str(night) == "fri 22:00-06:00 Europe/Berlin"


def test_a_missing_field_is_told_with_what_it_takes() -> None:
    ticket = Requirement("ticket", "^[A-Z]+-[0-9]+$")
    assert ticket.wanted({}) == (
        "ticket: must be given; allowed is what matches ^[A-Z]+-[0-9]+$, such as AAA-111"
    )
    assert ticket.wanted({"ticket": "soon"}).startswith("ticket: found 'soon'; allowed is what")
    assert Circumstances(None, {"ticket": "A-1"}).lacking([ticket]) == ()
    assert Circumstances(None, {}).lacking([ticket]) == (ticket,)
    assert Circumstances(None).lacking([ticket]) == ()


@pytest.mark.parametrize("text", ["a\nb", "a\x00", "x" * 129, "\ud800", "a\u202eb"])
def test_what_a_lease_keeps_is_one_short_line(text: str) -> None:
    with pytest.raises(Invalid, match="reason: "):
        labels_of({"reason": text})


def test_what_is_empty_is_not_kept() -> None:
    assert labels_of({"reason": "  ", "ticket": " A-1 "}) == {"ticket": "A-1"}
