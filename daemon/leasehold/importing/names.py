"""Names of another system as names of a policy: lower-case letters, digits, `-`, `_`. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

Key = TypeVar("Key", str, tuple[str, str])
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_LONGEST = 63


def unique_names(wanted: Mapping[Key, str], taken: Iterable[str] = ()) -> dict[Key, str]:
    """A name for each key: the wanted one where that is one, else the nearest that is free.

    The same wishes always get the same names, whatever order they come in.
    """
    made: dict[Key, str] = {}
    used = set(taken)
    for key in sorted(wanted, key=lambda each: (not _NAME.fullmatch(wanted[each]), each)):
        name = near = _near(wanted[key])
        number = 1
        while name in used:
            number += 1
            name = f"{near[: _LONGEST - len(str(number)) - 1]}-{number}"
        used.add(name)
        made[key] = name
    return made


def _near(wanted: str) -> str:
    name = re.sub(r"[^a-z0-9_-]+", "-", wanted.lower()).lstrip("-_")[:_LONGEST]
    return name or "unnamed"
