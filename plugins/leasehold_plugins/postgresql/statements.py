"""Statements of a role: split as the server would, placeholders replaced by what their place needs.

A placeholder inside "…" becomes part of an identifier, inside '…' part of a literal, and bare it is
quoted as a whole; nothing is ever pasted in as it is (rule S3). `{{password}}` becomes the SCRAM
verifier, so it may stand only where the server takes one: after PASSWORD in CREATE or ALTER ROLE.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

NAMES = frozenset({"name", "username"})
PASSWORDS = frozenset({"password", "verifier"})
EXPIRIES = frozenset({"expiration", "expires"})
KNOWN = NAMES | PASSWORDS | EXPIRIES
EXAMPLE: Mapping[str, str] = {
    **dict.fromkeys(NAMES, "lhabcd_abcdefghijklmnop_abcd"),
    **dict.fromkeys(PASSWORDS, "SCRAM-SHA-256$4096:c2FsdA==$a2V5:a2V5"),
    **dict.fromkeys(EXPIRIES, "2030-01-01T00:00:00+00:00"),
}
"""Values of the form that accounts get, for looking at statements that nobody runs."""

_TOKEN = re.compile(
    r"""
      (?P<comment>--[^\n]*|/\*)
    | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*')
    | (?P<literal>'(?:[^']|'')*')
    | (?P<identifier>"(?:[^"]|"")*")
    | (?P<dollar>\$(?P<tag>(?:[A-Za-z_\x80-\uffff][\w\x80-\uffff]*)?)\$.*?\$(?P=tag)\$)
    | (?P<end>;)
    | (?P<open>['"]|\$(?:[A-Za-z_\x80-\uffff][\w\x80-\uffff]*)?\$)
    | (?P<code>\w[\w$]*|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SHOWN = 30
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_TAKES_VERIFIER = re.compile(r"\s*(create|alter)\s+(role|user)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a statement: `code`, `literal`, `escaped`, `identifier` or `dollar`."""

    kind: str
    text: str


class BadStatement(Exception):
    """A text that cannot be split, or a placeholder where it cannot stand."""


def split(source: str | Sequence[str]) -> list[list[Token]]:
    """The statements of `source` as tokens, comments left out. Raises BadStatement."""
    texts = [source] if isinstance(source, str) else source
    statements: list[list[Token]] = []
    for text in texts:
        current: list[Token] = []
        for token in _tokens(text):
            if token.kind == "end":
                statements.append(current)
                current = []
            else:
                current.append(token)
        statements.append(current)
    return [found for found in statements if "".join(token.text for token in found).strip()]


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        if text.startswith("{{", at) and (found := _PLACEHOLDER.match(text, at)):
            yield Token("code", found[0])
            at = found.end()
            continue
        found = _TOKEN.match(text, at)
        if found is None:
            raise BadStatement(f"cannot be read from character {at}")
        kind = found.lastgroup if found.lastgroup != "tag" else "dollar"
        if kind == "open":
            raise BadStatement(f"a quote opens and never closes: {text[at : at + _SHOWN].strip()}")
        at = found.end()
        if found[0] == "/*":
            at = _after_comment(text, at)
        if kind == "comment":
            yield Token("code", " ")
        else:
            yield Token(kind or "code", found[0])


def _after_comment(text: str, at: int) -> int:
    """Where a block comment ends; they nest."""
    depth = 1
    while depth:
        found = re.compile(r"/\*|\*/").search(text, at)
        if found is None:
            raise BadStatement("a comment opens and never closes")
        depth += 1 if found[0] == "/*" else -1
        at = found.end()
    return at


def render(source: str | Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The statements with every placeholder replaced by its quoted value. Raises BadStatement."""
    return ["".join(_fill(statement, values)) for statement in split(source)]


def faults(source: str | Sequence[str]) -> list[str]:
    """What keeps `source` from being rendered, one line each; empty when nothing does."""
    try:
        render(source, EXAMPLE)
    except BadStatement as fault:
        return [str(fault)]
    return []


def _fill(statement: Sequence[Token], values: Mapping[str, str]) -> Iterator[str]:
    before = ""
    for token in statement:
        yield _PLACEHOLDER.sub(lambda it: _quoted(it[1], token, before, values), token.text)  # noqa: B023 (used at once)
        before += token.text


def _quoted(name: str, token: Token, before: str, values: Mapping[str, str]) -> str:
    if name not in KNOWN:
        allowed = ", ".join(sorted(f"{{{{{known}}}}}" for known in KNOWN))
        raise BadStatement(f"unknown placeholder {{{{{name}}}}}; allowed are {allowed}")
    if name == "password" and not (
        _PLACEHOLDER.fullmatch(token.text.lstrip("eE").strip("'"))
        and _TAKES_VERIFIER.match(before)
        and re.search(r"password\s*$", before, re.IGNORECASE)
    ):
        raise BadStatement(
            "{{password}} stands where the server takes no SCRAM verifier; write it by itself after"
            " PASSWORD in CREATE ROLE or ALTER ROLE, since no clear password is sent"
        )
    if name in EXPIRIES and token.kind == "identifier":
        raise BadStatement(
            f"{{{{{name}}}}} stands in double quotes, where the server reads a name; write"
            f" '{{{{{name}}}}}'"
        )
    value = values[name]
    if token.kind == "identifier":
        return value.replace('"', '""')
    if token.kind == "literal":
        return value.replace("'", "''")
    if token.kind == "escaped":
        return value.replace("\\", "\\\\").replace("'", "''")
    if token.kind == "dollar":
        if "$" in value:
            raise BadStatement(f"{{{{{name}}}}} cannot stand inside a dollar-quoted text")
        return value
    if name in NAMES:
        return identifier(value)
    return literal(value)


def identifier(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as an SQL literal, for a server with standard_conforming_strings on."""
    return "'" + text.replace("'", "''") + "'"
