"""Problems with policy files: values that are collected, sorted and printed. Pure."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

Path = tuple[str | int, ...]
_SHOWN = 60
"""How many characters of what was found are quoted."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands; lines and columns count from 1."""

    file: str
    line: int
    column: int


class Fault(NamedTuple):
    """What is wrong with the value at `path`, or with its key."""

    path: Path
    message: str
    key: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, at one place."""

    place: Place
    path: str
    message: str

    def line(self, kind: str = "") -> str:
        """`file:line:column: kind: path: message`, in one line whatever the file holds."""
        where = f"{self.place.file}:{self.place.line}:{self.place.column}"
        return printable(": ".join(filter(None, (where, kind, self.path, self.message))))


class Places:
    """Where each value and each key of the merged documents stands."""

    def __init__(self) -> None:
        self.values: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}

    def of(self, path: Path) -> Place:
        """The place of the value at `path`, or of what is nearest above it."""
        return self._find(self.values, path)

    def of_key(self, path: Path) -> Place:
        """The place of the key at `path`; an item of a list has none and stands for itself."""
        return self.keys.get(path) or self._find(self.values, path)

    def problem(self, fault: Fault) -> Problem:
        """The fault as a problem, at its place."""
        place = self.of_key(fault.path) if fault.key else self.of(fault.path)
        return Problem(place, dotted(fault.path), fault.message)

    @staticmethod
    def _find(places: Mapping[Path, Place], path: Path) -> Place:
        while path not in places and path:
            path = path[:-1]
        return places.get(path, Place("", 1, 1))


def dotted(path: Path) -> str:
    """`engines.main.connection` or `access[0].verbs`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{shortened(part)}" if text else shortened(part)
    return text


def shortened(text: str) -> str:
    """As much of `text` as a message can take."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def printable(text: str) -> str:
    """The text with what a terminal would obey, or not show, written as escapes."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def nearest(found: str, allowed: Iterable[str]) -> str:
    """`; did you mean x?` when something allowed is spelled much alike, else nothing."""
    close = difflib.get_close_matches(found, sorted(allowed), 1)
    return f"; did you mean {close[0]}?" if close else ""
