"""Problems with policy files: values that are collected, sorted and printed. Pure."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands; lines and columns count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, at one place."""

    place: Place
    path: str
    message: str

    def line(self) -> str:
        """`file:line:column: path: message`."""
        where = f"{self.place.file}:{self.place.line}:{self.place.column}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class Places:
    """Where each value and each key of the merged documents stands."""

    def __init__(self) -> None:
        self.values: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}

    def update(self, other: "Places") -> None:
        """Take over another file's places; what is known already stays."""
        self.values = other.values | self.values
        self.keys = other.keys | self.keys

    def of(self, path: Path) -> Place:
        """The place of the value at `path`, or of what is nearest above it."""
        return self._find(self.values, path)

    def of_key(self, path: Path) -> Place:
        """The place of the key at `path`."""
        return self.keys.get(path) or self._find(self.values, path)

    def problem(self, path: Path, message: str, *, key: bool = False) -> Problem:
        """A problem with the value (or the key) at `path`."""
        return Problem(self.of_key(path) if key else self.of(path), dotted(path), message)

    @staticmethod
    def _find(places: Mapping[Path, Place], path: Path) -> Place:
        while path not in places and path:
            path = path[:-1]
        return places.get(path, Place("", 1, 1))


def dotted(path: Path) -> str:
    """`engines.main.connection` or `access[0].verbs`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(found: str, allowed: Iterable[str]) -> str:
    """`; did you mean x?` when something allowed is spelled much alike, else nothing."""
    close = difflib.get_close_matches(found, list(allowed), 1)
    return f"; did you mean {close[0]}?" if close else ""
