"""Durations as people write them: `90s`, `15m`, `1h30m`, `7d`, or whole seconds. Pure."""

import re

FORM = "a duration such as 90s, 15m, 1h30m or 7d, or whole seconds"
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_COUNT = "([0-9]{1,18})"
_PARTS = re.compile("".join(f"(?:{_COUNT}{unit})?" for unit in _UNITS))
_SECONDS = re.compile("0|[1-9][0-9]{0,17}")
"""To YAML 1.1 a bare 010 is eight."""


def seconds(value: int | str) -> int:
    """The duration in seconds. Raises ValueError when it is none, or negative."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError(value)
        return value
    text = str(value)
    if _SECONDS.fullmatch(text):
        return int(text)
    found = _PARTS.fullmatch(text)
    if not text or found is None:
        raise ValueError(value)
    return sum(
        int(count) * size for count, size in zip(found.groups("0"), _UNITS.values(), strict=True)
    )


def text(span_s: int) -> str:
    """The shortest way to write `span_s` seconds in one unit."""
    for unit, size in _UNITS.items():
        if span_s and span_s % size == 0:
            return f"{span_s // size}{unit}"
    return f"{span_s}s"
