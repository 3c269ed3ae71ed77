"""Patterns for the fields of a request: part of regular expressions, and no backtracking.

Whoever writes a policy writes the pattern, and whoever asks writes the text, so no pair of the two
may cost more than a few milliseconds. A match follows all places where a part of the pattern can
end at once: its cost grows with the text, and with the depth of repeats, which is capped. Allowed
are characters, classes, groups, alternatives and repeats; what looks around or back is refused.
Pure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from leasehold.errors import Invalid

PATTERN_CHARS = 200
TEXT_CHARS = 128
DEPTH = 2
"""How deep repeats may stand within repeats."""
_MOST = TEXT_CHARS
_LIKELY = "A1a-_ /#.:@"
_TOKEN = re.compile(
    r"(?P<one>\[\^?\]?(?:\\.|[^\]\\])*\]|\\[dDwWsS]|\\[^\w]|[^\\\[\](){}*+?|^$])"
    r"|(?P<open>\((?:\?:)?(?!\?))|(?P<close>\))|(?P<bar>\|)"
    r"|(?P<repeat>[*+?]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\})",
    re.DOTALL,
)
ALLOWED = "characters, classes such as [A-Z] or \\d, groups, |, and the repeats ? * + {2} {2,5}"

Ends = frozenset[int]


@dataclass(frozen=True, slots=True)
class _One:
    """One character of a class."""

    of: re.Pattern[str]

    def ends(self, text: str, starts: Ends) -> Ends:
        return frozenset(at + 1 for at in starts if self.of.match(text, at))

    def example(self) -> str:
        likely = (*_LIKELY, *map(chr, range(33, 127)))
        return next((each for each in likely if self.of.fullmatch(each)), "")


@dataclass(frozen=True, slots=True)
class _Row:
    """Parts, one behind the other."""

    parts: tuple["_Part", ...]

    def ends(self, text: str, starts: Ends) -> Ends:
        for part in self.parts:
            starts = part.ends(text, starts)
        return starts

    def example(self) -> str:
        return "".join(part.example() for part in self.parts)


@dataclass(frozen=True, slots=True)
class _Either:
    """Any one of several parts."""

    parts: tuple["_Part", ...]

    def ends(self, text: str, starts: Ends) -> Ends:
        return frozenset().union(*(part.ends(text, starts) for part in self.parts))

    def example(self) -> str:
        return self.parts[0].example()


@dataclass(frozen=True, slots=True)
class _Repeat:
    """A part, `least` to `most` times; without `most` as often as it comes."""

    part: "_Part"
    least: int
    most: int | None

    def ends(self, text: str, starts: Ends) -> Ends:
        for _ in range(self.least):
            starts = self.part.ends(text, starts)
        found, new, times = starts, starts, self.least
        while new and (self.most is None or times < self.most):
            new = self.part.ends(text, new) - found
            found, times = found | new, times + 1
        return found

    def example(self) -> str:
        usual = 3 if self.most is None else min(3, self.most)
        return self.part.example() * (max(self.least, usual) if self.least else 0)


_Part = _One | _Row | _Either | _Repeat


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that was read; it is for whole texts, whether it has `^` and `$` or not."""

    _part: _Part

    def fits(self, text: str) -> bool:
        """Whether the whole text is one of the pattern's."""
        return len(text) <= TEXT_CHARS and len(text) in self._part.ends(text, frozenset({0}))

    @property
    def example(self) -> str:
        """A text that fits, for people who have to give one; empty where none is found."""
        text = self._part.example()
        return text if self.fits(text) else ""


@cache
def pattern(text: str) -> Pattern:
    """The pattern that a text is. Raises Invalid."""
    if len(text) > PATTERN_CHARS:
        raise Invalid(f"the pattern has {len(text)} characters; allowed are {PATTERN_CHARS}")
    inner = text.removeprefix("^")
    if inner.endswith("$") and not inner.endswith("\\$"):
        inner = inner[:-1]
    reader = _Reader(list(_tokens(inner)))
    part = reader.either()
    if reader.left:
        raise Invalid("the pattern closes a group that it did not open")
    if _depth(part) > DEPTH:
        raise Invalid(f"the pattern repeats what repeats; allowed is that {DEPTH} deep")
    return Pattern(part)


class _Reader:
    """From tokens to parts; `left` are those that were not taken yet, the next one last."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.left = tokens[::-1]

    def either(self) -> _Part:
        rows = [self._row()]
        while self._next() == "bar":
            self.left.pop()
            rows.append(self._row())
        return rows[0] if len(rows) == 1 else _Either(tuple(rows))

    def _row(self) -> _Part:
        parts: list[_Part] = []
        while self._next() in ("one", "open", "repeat"):
            kind, token = self.left.pop()
            if kind == "one":
                parts.append(_one(token))
            elif kind == "open":
                parts.append(self._group())
            elif not parts or isinstance(parts[-1], _Repeat):
                raise Invalid(f"the pattern has {token} where nothing stands that can repeat")
            else:
                parts[-1] = _Repeat(parts[-1], *_times(token))
        return _Row(tuple(parts))

    def _group(self) -> _Part:
        part = self.either()
        if self._next() != "close":
            raise Invalid("the pattern opens a group that it does not close")
        self.left.pop()
        return part

    def _next(self) -> str:
        return self.left[-1][0] if self.left else ""


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise Invalid(f"the pattern has '{text[at : at + 10]}'; allowed are {ALLOWED}")
        at = found.end()
        yield str(found.lastgroup), found[0]


def _one(token: str) -> _One:
    try:
        return _One(re.compile(token, re.ASCII))
    except re.error as error:
        raise Invalid(f"the pattern has '{token[:20]}', which is no class ({error.msg})") from None


def _times(repeat: str) -> tuple[int, int | None]:
    if repeat in "*+?":
        return int(repeat == "+"), 1 if repeat == "?" else None
    low, comma, high = repeat[1:-1].partition(",")
    least, most = int(low), int(high) if high else (None if comma else int(low))
    if max(least, most or 0) > _MOST or (most is not None and most < least):
        raise Invalid(f"the pattern has {repeat}; allowed is from less to more, up to {_MOST}")
    return least, most


def _depth(part: _Part) -> int:
    match part:
        case _One():
            return 0
        case _Repeat():
            return 1 + _depth(part.part)
        case _:
            return max((_depth(each) for each in part.parts), default=0)
