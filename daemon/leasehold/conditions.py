"""What a rule may ask of the hour and of the words of a request, beside who asks for what. Pure.

A window is of the wall clock of one time zone, as people keep hours: what the zone's clock shows is
inside or outside, so a night on which clocks change is as long as it is. While our own clock is in
doubt every window counts against the caller: what it would allow is not allowed, and what it would
deny is denied.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

from leasehold.errors import Invalid
from leasehold.patterns import TEXT_CHARS, pattern

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 24 * 60
REASON = "reason"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Hours of days (0 is Monday) in a zone: from `start_min` up to `end_min` of the day.

    One that ends at or before its start goes on into the next day, and belongs to the first.
    """

    days: frozenset[int] = frozenset(range(7))
    start_min: int = 0
    end_min: int = DAY_MIN
    timezone: str = "UTC"

    def holds(self, at: datetime) -> bool:
        """Whether the instant `at` is inside."""
        local = at.astimezone(_zone(self.timezone))
        minute = local.hour * 60 + local.minute
        if self.start_min < self.end_min:
            return local.weekday() in self.days and self.start_min <= minute < self.end_min
        yesterday = (local.weekday() - 1) % 7
        return (local.weekday() in self.days and minute >= self.start_min) or (
            yesterday in self.days and minute < self.end_min
        )

    def __str__(self) -> str:
        days = "" if len(self.days) == 7 else f"{','.join(_runs(self.days))} "
        return f"{days}{_clock(self.start_min)}-{_clock(self.end_min)} {self.timezone}"

    def told(self, at: datetime) -> str:
        """What the zone's clock shows then, for people."""
        local = at.astimezone(_zone(self.timezone))
        return f"{DAYS[local.weekday()]} {local:%H:%M}"


@dataclass(frozen=True, slots=True)
class Requirement:
    """A field that a request must have, and the pattern that its text must fit."""

    field: str
    pattern: str

    def __str__(self) -> str:
        return f"{self.field} {self.pattern}"

    def met(self, fields: Mapping[str, str]) -> bool:
        """Whether the fields have it."""
        return pattern(self.pattern).fits(fields.get(self.field, ""))

    def wanted(self, fields: Mapping[str, str]) -> str:
        """What is wrong with the fields, in one line."""
        found, example = fields.get(self.field, ""), pattern(self.pattern).example
        allowed = f"what matches {self.pattern}" + (f", such as {example}" if example else "")
        if not found:
            return f"{self.field}: must be given; allowed is {allowed}"
        return f"{self.field}: found '{found[:40]}'; allowed is {allowed}"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """When something is asked for, and with what fields.

    `at` is None while the wall clock is in doubt. `fields` are None where nothing was asked for
    yet, and those that it takes are taken as given.
    """

    at: datetime | None
    fields: Mapping[str, str] | None = None

    def lacking(self, required: Iterable[Requirement]) -> tuple[Requirement, ...]:
        """What is required and was not given."""
        given = self.fields
        return () if given is None else tuple(each for each in required if not each.met(given))


def labels_of(given: Mapping[str, str]) -> dict[str, str]:
    """The fields that a lease keeps: those with a text, of one short line. Raises Invalid."""
    kept = {name: text.strip() for name, text in given.items() if text.strip()}
    for name, text in kept.items():
        if len(text) > TEXT_CHARS:
            raise Invalid(f"{name}: has {len(text)} characters; allowed are {TEXT_CHARS}")
        if not text.isprintable():
            raise Invalid(f"{name}: holds a character that does not print; allowed is a text")
    return kept


def is_zone(name: str) -> bool:
    """Whether this host knows the time zone."""
    try:
        _zone(name)
    except (OSError, ValueError, KeyError):
        return False
    return True


def _runs(days: Iterable[int]) -> Iterator[str]:
    """Days in words, those that follow each other as one."""
    left = sorted(days)
    while left:
        first = last = left.pop(0)
        while left and left[0] == last + 1:
            last = left.pop(0)
        yield DAYS[first] if first == last else f"{DAYS[first]}-{DAYS[last]}"


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
