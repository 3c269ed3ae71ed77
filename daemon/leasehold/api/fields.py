"""The fields of a request, read by the types that handlers want.

Vault's forms are taken: a number of seconds or a Go duration for a span, texts such as "true" for a
flag, a list or a text with commas for several values. What nobody reads becomes a warning in the
reply, as Vault does, so that a misspelt field is noticed. Pure.
"""

import contextlib
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

from leasehold.errors import Invalid

Default = TypeVar("Default", bool, None)

LONGEST_S = 10 * 365 * 86_400
TRUE, FALSE = frozenset({"1", "t", "true"}), frozenset({"0", "f", "false"})
_UNITS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3_600),
    "d": Decimal(86_400),
}
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_PART = re.compile(rf"({_NUMBER})(ns|us|ms|s|m|h|d)")
_SPAN = re.compile(rf"(?:{_NUMBER}(?:ns|us|ms|s|m|h|d))+")


class Fields:
    """The named values of one request; remembers which of them were read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._read: set[str] = set()

    def _get(self, name: str) -> Any:
        self._read.add(name)
        return self._values.get(name)

    def text(self, name: str) -> str:
        """A text, empty when it is missing. Raises Invalid."""
        value = self._get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise Invalid(f"{name}: found {_kind(value)}; allowed is a text")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Several texts, given as a list or with commas between them. Raises Invalid."""
        value = self._get(name)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        if value is None or isinstance(value, str):
            return tuple(filter(None, (value or "").split(",")))
        raise Invalid(f"{name}: found {_kind(value)}; allowed is a list of texts")

    def pairs(self, name: str) -> list[tuple[str, str]] | None:
        """A list of pairs of texts, None when it is missing. Raises Invalid."""
        value = self._get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(map(_is_pair, value)):
            raise Invalid(f"{name}: found {_kind(value)}; allowed is a list of pairs of texts")
        return [(first, second) for first, second in value]

    def flag(self, name: str, *, default: Default) -> bool | Default:
        """True or false, or `default` when it is missing. Raises Invalid."""
        value = self._get(name)
        if value is None or value == "":
            return default
        if isinstance(value, bool):
            return value
        if str(value).lower() in TRUE | FALSE:
            return str(value).lower() in TRUE
        raise Invalid(f"{name}: found {_shown(value)}; allowed are true and false")

    def count(
        self, name: str, *, default: int, most: int, least: int = 1, word: str | None = None
    ) -> int:
        """A whole number from `least` to `most`; `word` stands for the default. Raises Invalid."""
        value = self._get(name)
        if value is None or value == word:
            return default
        if _is_number(str(value)) and least <= int(value) <= most:
            return int(value)
        allowed = f"allowed is a whole number from {least} to {most}"
        raise Invalid(f"{name}: found {_shown(value)}; {allowed}")

    def span_s(self, name: str) -> int | None:
        """A span in whole seconds, None when it is missing or empty. Raises Invalid."""
        value = self._get(name)
        if value is None or value == "":
            return None
        found = _span_s(value)
        if found is None or found > LONGEST_S:
            raise Invalid(
                f"{name}: found {_shown(value)}; allowed are whole seconds, or a duration such as"
                " 90s, 15m, 1h30m or 7d, up to ten years"
            )
        return found

    def texts_by_name(self, name: str) -> dict[str, str]:
        """Texts by names, as an object or its JSON, empty when it is missing. Raises Invalid."""
        value = self._get(name)
        if isinstance(value, str) and value.startswith("{"):
            with contextlib.suppress(ValueError, RecursionError):
                value = json.loads(value)
        if value is None or value == "":
            return {}
        if not isinstance(value, dict) or not all(isinstance(it, str) for it in value.values()):
            raise Invalid(f"{name}: found {_kind(value)}; allowed is an object of texts")
        return value

    def everything(self) -> Mapping[str, Any]:
        """All values as they came."""
        self._read.update(self._values)
        return self._values

    def ignored(self) -> list[str]:
        """Names that no reader asked for."""
        return sorted(self._values.keys() - self._read)


def _span_s(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value >= 0 else None
    text = str(value).strip()
    if _is_number(text):
        return int(text)
    if not isinstance(value, str) or not _SPAN.fullmatch(text):
        return None
    return int(sum(Decimal(count) * _UNITS[unit] for count, unit in _PART.findall(text)))


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(x, str) for x in value)


def _is_number(text: str) -> bool:
    """Whether this is a whole number of ASCII digits; Python also reads those of other scripts."""
    return text.isascii() and text.isdecimal() and len(text) <= 12


def _kind(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"


def _shown(value: object) -> str:
    return f"'{str(value)[:40]}'" if isinstance(value, str | int | float) else _kind(value)
