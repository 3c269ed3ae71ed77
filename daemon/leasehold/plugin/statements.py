"""Statements of a role, for engines whose targets speak SQL: split as the target would, and filled.

A placeholder becomes part of what it stands in, quoted for that; bare it is quoted as a whole;
nothing is ever pasted in as it is (rule S3). What differs from one SQL to the next is a `Dialect`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from leasehold.plugin.tokens import (
    NEVER,
    BadStatement,
    Token,
    after_comment,
    after_nested_comment,
    at_ends,
    at_ends_unless_begin,
    written,
)

__all__ = [
    "EXPIRIES",
    "NAMES",
    "BadStatement",
    "Dialect",
    "Token",
    "after_comment",
    "after_nested_comment",
    "at_ends",
    "at_ends_unless_begin",
    "is_placeholder",
    "recipe_faults",
]

V = TypeVar("V")
NAMES = frozenset({"name", "username"})
"""Placeholders for the account's name."""
EXPIRIES = frozenset({"expiration", "expires"})
"""Placeholders for the instant at which the account ends."""

_OPTIONS = (
    "creation_statements",
    "revocation_statements",
    "renew_statements",
    "rollback_statements",
)
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_SHOWN = 30


@dataclass(frozen=True, kw_only=True)
class Dialect(Generic[V]):
    """One kind of SQL. `V` is what an engine fills placeholders from.

    `tokens` matches the next token of any text, and its outermost group names the kind: `comment`
    (to the end of the line, or the `/*` of one that `after_comment` finds the end of), `end` (a
    semicolon), `open` (a quote that never closes), `code` (a word or any other character), and one
    for each way to quote. `parts` tells the statements of a text apart.

    `quoted` takes a placeholder's name, the kind of token it stands in, and the values; it returns
    what stands there. `replaced` may take a whole token instead: from the statement so far, the
    token and the values it returns the statement with it, or None. Both may raise BadStatement.

    `example` has values of the form that accounts get, for looking at statements that nobody runs.
    A text that a pattern of `foreign` is found in is no SQL: what stands beside it says why. A
    statement that begins as `sets_session` would change what the engine runs after it.
    """

    tokens: re.Pattern[str]
    placeholders: frozenset[str]
    quoted: Callable[[str, str, V], str]
    example: V
    after_comment: Callable[[str, int], int] = after_comment
    parts: Callable[[Sequence[Token]], list[list[Token]]] = at_ends
    replaced: Callable[[str, Token, V], str | None] = lambda *_: None
    foreign: tuple[tuple[re.Pattern[str], str], ...] = ()
    sets_session: re.Pattern[str] = NEVER

    def split(self, source: str | Sequence[str]) -> list[list[Token]]:
        """The statements of `source` as tokens, comments left out. Raises BadStatement."""
        found = [part for text in _texts(source) for part in self.parts(list(self._tokens(text)))]
        return [statement for statement in found if written(statement).strip()]

    def render(self, source: str | Sequence[str], values: V) -> list[str]:
        """The statements, every placeholder replaced by its quoted value. Raises BadStatement."""
        return [self._filled(statement, values) for statement in self.split(source)]

    def faults(self, source: str | Sequence[str]) -> list[str]:
        """What keeps `source` from being run, one line each; empty when nothing does."""
        try:
            rendered = self.render(source, self.example)
        except BadStatement as fault:
            return [fault.reason]
        for pattern, told in self.foreign:
            if any(pattern.search(text) for text in _texts(source)):
                return [told]
        return [
            f"would change the session for what comes after it: {text.strip()[:_SHOWN]}"
            for text in rendered
            if self.sets_session.match(text)
        ]

    def role_faults(self, role: Mapping[str, Any]) -> list[str]:
        """The faults of `creation_statements` and its kin in a role, each with its place."""
        found = []
        for option in _OPTIONS:
            given = role.get(option, [])
            if isinstance(given, str):
                found += [f"{option}: {fault}" for fault in self.faults(given)]
                continue
            for item, text in enumerate(given):
                found += [f"{option}[{item}]: {fault}" for fault in self.faults(text)]
        return found

    def creates_by(self, pattern: re.Pattern[str], role: Mapping[str, Any]) -> bool:
        """Whether one of `creation_statements` begins like `pattern`; with a fault, none does."""
        try:
            made = self.render(role.get("creation_statements", []), self.example)
        except BadStatement:
            return False
        return any(pattern.match(text) for text in made)

    def _tokens(self, text: str) -> Iterator[Token]:
        at = 0
        while at < len(text):
            found = _PLACEHOLDER.match(text, at) or self.tokens.match(text, at)
            if found is None:
                raise BadStatement(f"cannot be read from character {at}")
            kind = found.lastgroup or "code"
            if kind == "open":
                shown = text[at : at + _SHOWN].strip()
                raise BadStatement(f"a quote opens and never closes: {shown}")
            at = self.after_comment(text, found.end()) if found[0] == "/*" else found.end()
            yield Token("code", " ") if kind == "comment" else Token(kind, found[0])

    def _filled(self, statement: Sequence[Token], values: V) -> str:
        done = ""
        for token in statement:
            instead = self.replaced(done, token, values)
            done = done + self._fill(token, values) if instead is None else instead
        return done

    def _fill(self, token: Token, values: V) -> str:
        def value(found: re.Match[str]) -> str:
            if (name := found[1]) not in self.placeholders:
                allowed = ", ".join(sorted(f"{{{{{known}}}}}" for known in self.placeholders))
                raise BadStatement(f"unknown placeholder {{{{{name}}}}}; allowed are {allowed}")
            return self.quoted(name, token.kind, values)

        return _PLACEHOLDER.sub(value, token.text)


def _texts(source: str | Sequence[str]) -> Sequence[str]:
    return [source] if isinstance(source, str) else source


def is_placeholder(name: str, text: str) -> bool:
    """Whether `text` is this placeholder and nothing else."""
    found = _PLACEHOLDER.fullmatch(text)
    return found is not None and found[1] == name


def recipe_faults(role: Mapping[str, Any]) -> list[str]:
    """The fault of a role that says in two ways how accounts are made, or in none."""
    if ("member_of" in role) != ("creation_statements" in role):
        return []
    both = "both" if "member_of" in role else "neither"
    return [f"has {both} of member_of and creation_statements; write one of them"]
