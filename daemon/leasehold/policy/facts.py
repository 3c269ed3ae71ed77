"""Facts about somebody who may ask, as people write them: `unix:user=billing,group=db`. Pure.

Facts are pairs of a name and a value, since one caller may be in several groups.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from leasehold.bundle import Fact, Facts
from leasehold.errors import Invalid

PREFIX = "unix:"
FORM = "unix:user=NAME,uid=NUMBER,group=NAME,gid=NUMBER or unix:self, groups as often as needed"
_NAMES = ("user", "uid", "group", "gid", "self")
_NUMBERS = ("uid", "gid")
_LISTS = ("group", "gid")
_MOST = 4_294_967_294


def parse(text: str) -> Facts:
    """The facts that a text names. Raises Invalid."""
    if not text.startswith(PREFIX):
        raise Invalid(f"found '{text[:60]}'; allowed is {FORM}")
    found = [_pair(part) for part in text.removeprefix(PREFIX).split(",")]
    for name in _NAMES:
        if name not in _LISTS and sum(each == name for each, _ in found) > 1:
            raise Invalid(f"{name} stands twice; nobody has two of them")
    return frozenset(found)


def facts_of(unix: Mapping[str, Any]) -> Facts:
    """The facts under a `unix:` key, where groups may be lists."""
    return frozenset(_pairs(unix))


def shown(facts: Iterable[Fact]) -> str:
    """The facts as `parse` reads them, in an order that is always the same."""
    ordered = sorted(facts, key=lambda fact: (_NAMES.index(fact[0]), str(fact[1])))
    return PREFIX + ",".join(
        name if value is True else f"{name}={value}" for name, value in ordered
    )


def _pairs(unix: Mapping[str, Any]) -> Iterator[Fact]:
    for name, value in unix.items():
        for each in value if isinstance(value, list) else [value]:
            yield name, each


def _pair(part: str) -> Fact:
    name, _, value = part.partition("=")
    if name == "self" and value in ("", "true"):
        return name, True
    if name not in _NAMES or name == "self" or not value:
        raise Invalid(f"found '{part[:60]}'; allowed is {FORM}")
    if name not in _NUMBERS:
        return name, value
    if not (value.isascii() and value.isdecimal() and len(value) <= 10 and int(value) <= _MOST):
        raise Invalid(f"{name}: found '{value[:60]}'; allowed is a whole number up to {_MOST}")
    return name, int(value)
