"""Conditions of rules and roles, from YAML: hours, and fields that a request must have. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from leasehold.conditions import DAYS, Requirement, Window, is_zone
from leasehold.errors import Invalid
from leasehold.patterns import pattern
from leasehold.policy.draft import Draft
from leasehold.policy.problems import Path

TAKEN = ("help", "lease_id", "list", "scan", "ttl")
"""Fields of a request that mean something already."""
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def requirements(draft: Draft, path: Path, entry: Mapping[str, Any]) -> tuple[Requirement, ...]:
    """What stands under `require`, by name."""
    found = []
    for name, text in sorted(entry.get("require", {}).items()):
        at = (*path, "require", name)
        if name in TAKEN:
            taken = ", ".join(TAKEN)
            draft.fault(at, f"a request has this field already; taken are {taken}", key=True)
            continue
        try:
            pattern(text)
        except Invalid as wrong:
            draft.fault(at, str(wrong))
        else:
            found.append(Requirement(name, text))
    return tuple(found)


def window(draft: Draft, path: Path, entry: Mapping[str, Any]) -> Window | None:
    """What stands under `when`; None for always."""
    if "when" not in entry:
        return None
    said, path = entry["when"], (*path, "when")
    zone = said.get("timezone", "UTC")
    if not is_zone(zone):
        draft.fault(
            (*path, "timezone"),
            f"this host knows no time zone {zone}; allowed are names such as Europe/Berlin or UTC",
        )
        zone = "UTC"
    start, end = (_minute(text) for text in said.get("between", ("00:00", "24:00")))
    if start == end:
        draft.fault((*path, "between"), "begins and ends at the same time, so it never holds")
    days = frozenset().union(*map(_days, said.get("days", DAYS)))
    return Window(days=days, start_min=start, end_min=end, timezone=zone)


def instant(text: str) -> datetime:
    """An instant with its offset from UTC (RFC 3339). Raises Invalid."""
    try:
        if not _INSTANT.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text.upper())
    except ValueError:
        raise Invalid(
            f"found '{text[:40]}'; allowed is an instant with its zone, such as"
            " 2026-01-05T09:00+01:00 or 2026-01-05T08:00Z"
        ) from None


def _days(text: str) -> frozenset[int]:
    """A day, or those from one to another, over the end of the week too."""
    first, _, last = text.partition("-")
    start = DAYS.index(first)
    count = (DAYS.index(last or first) - start) % 7 + 1
    return frozenset((start + day) % 7 for day in range(count))


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)
