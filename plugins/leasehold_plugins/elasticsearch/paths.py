"""Paths of requests: names as one segment each, and lists that are short enough for a line."""

from collections.abc import Iterator, Sequence
from urllib.parse import quote

_LONGEST = 3000
"""Characters of a list in a path; a node refuses a first line of more than 4,096 bytes."""


def segment(name: str) -> str:
    """`name` as one segment of a path."""
    return quote(name, safe="")


def lists(names: Sequence[str]) -> Iterator[str]:
    """All names, encoded, in lists with commas between."""
    part: list[str] = []
    for name in map(segment, names):
        if part and len(",".join(part)) + len(name) >= _LONGEST:
            yield ",".join(part)
            part = []
        part.append(name)
    if part:
        yield ",".join(part)
