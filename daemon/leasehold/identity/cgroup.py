"""What a cgroup says of the process in it: its slice, its systemd unit, its user unit. Pure.

The unit is the first name below the slices, as systemd itself finds it (cg_path_get_unit). What
stands further down was made by whoever the unit was delegated to, who may call it as they like.
"""

import re
from collections.abc import Iterator
from itertools import takewhile

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]+\.(?:service|scope)")
_MANAGER = re.compile(r"user@[0-9]+\.service")
_UNIFIED = "0::"
_GONE = " (deleted)"


def path_in(text: str) -> str:
    """The path in cgroup v2 that `/proc/<pid>/cgroup` tells; empty when it tells none of use.

    One that leads out of the daemon's own cgroup namespace, or was removed, names nothing here.
    """
    lines = text.split("\n")  # which no name can hold, while it can hold what splitlines splits at
    path = next((line[3:] for line in lines if line.startswith(_UNIFIED)), "")
    usable = path.startswith("/") and ".." not in path.split("/") and not path.endswith(_GONE)
    return path if usable else ""


def facts_in(path: str) -> dict[str, str]:
    """`cgroup`, and those of `slice`, `unit` and `user_unit` that the path names."""
    parts = [part.removeprefix("_") for part in path.split("/") if part]
    return {"cgroup": path, **dict(_units(parts))} if path else {}


def _units(parts: list[str]) -> Iterator[tuple[str, str]]:
    slices, rest = _split(parts)
    if slices:
        yield "slice", slices[-1]
    if not rest or not _UNIT.fullmatch(rest[0]):
        return
    yield "unit", rest[0]
    _, below = _split(rest[1:])
    if _MANAGER.fullmatch(rest[0]) and below and _UNIT.fullmatch(below[0]):
        yield "user_unit", below[0]


def _split(parts: list[str]) -> tuple[list[str], list[str]]:
    slices = list(takewhile(lambda part: part.endswith(".slice"), parts))
    return slices, parts[len(slices) :]
