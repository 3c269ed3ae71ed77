"""Statements of a role: split as the server would, placeholders quoted for where they stand.

`'…'` and `q'[…]'` are texts, `"…"` is an identifier or a password, and has no way to hold a quote;
comments do not nest; a block of PL/SQL is one statement with its semicolons. A placeholder becomes
part of what it stands in, quoted for that; bare it is quoted as a whole; nothing is ever pasted in
as it is (rule S3).

Account names are written in capitals, as Oracle reads a name without quotes: whoever logs in with
the small letters of the credential is the same user.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leasehold.plugin import EnginePermanent, ErrorClass

NAMES = frozenset({"name", "username"})
EXPIRIES = frozenset({"expiration", "expires"})
KNOWN = NAMES | EXPIRIES | {"password"}

_TOKEN = re.compile(
    r"""
      (?P<comment>--[^\n]*|/\*)
    | (?P<quoted>[nN]?[qQ]'(?:\[.*?\]|\{.*?\}|\(.*?\)|<.*?>|(?P<mark>[^\s\[{(<]).*?(?P=mark))')
    | (?P<literal>'(?:[^']|'')*')
    | (?P<identifier>"[^"]*")
    | (?P<end>;)
    | (?P<open>['"])
    | (?P<code>\w[\w$#]*|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SHOWN = 30
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_BLOCK = re.compile(
    r"\s*(?:begin|declare|<<|create\s+(?:or\s+replace\s+)?(?:(?:non)?editionable\s+)?"
    r"(?:function|package|procedure|trigger|type))\b",
    re.IGNORECASE,
)
_SLASH = re.compile(r"^\s*/\s*$", re.MULTILINE)
_SETS_SESSION = re.compile(r"\s*(?:alter\s+session|set\s+(?:role|transaction))\b", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_$#]*")


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a statement: `code`, `literal`, `quoted` or `identifier`."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What placeholders stand for.

    After an account was made, password and expiry are not known any more, and are empty.
    """

    name: str
    expiration: str = ""
    password: str = ""


EXAMPLE = Values(
    name="lhabcd_abcdefghijklmnop_abcd",
    expiration="2030-01-01 00:00:00",
    password="an example",  # noqa: S106 (nobody has it)
)
"""Values of the form that accounts get, for looking at statements that nobody runs."""


class BadStatement(EnginePermanent):
    """A text that cannot be split, or a value or placeholder that cannot stand where it should."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, error_class=ErrorClass.INVALID)


def split(source: str | Sequence[str]) -> list[list[Token]]:
    """The statements of `source` as tokens, comments left out. Raises BadStatement.

    What begins as PL/SQL goes on to the end of its text.
    """
    texts = [source] if isinstance(source, str) else source
    statements: list[list[Token]] = []
    for text in texts:
        current: list[Token] = []
        for token in _tokens(text):
            if token.kind == "end" and not _BLOCK.match(_written(current)):
                statements.append(current)
                current = []
            else:
                current.append(token)
        statements.append(current)
    return [found for found in statements if _written(found).strip()]


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
        kind = "quoted" if found["quoted"] else str(found.lastgroup)
        if kind == "open":
            raise BadStatement(f"a quote opens and never closes: {text[at : at + _SHOWN].strip()}")
        at = found.end()
        if found[0] == "/*":
            at = text.find("*/", at) + 2
            if at == 1:
                raise BadStatement("a comment opens and never closes")
        yield Token("code", " ") if kind == "comment" else Token(kind, found[0])


def render(source: str | Sequence[str], values: Values) -> list[str]:
    """The statements with every placeholder replaced by its quoted value. Raises BadStatement."""
    return [
        "".join(
            _PLACEHOLDER.sub(lambda it: _quoted(it[1], token.kind, values), token.text)  # noqa: B023 (used at once)
            for token in statement
        )
        for statement in split(source)
    ]


def faults(source: str | Sequence[str]) -> list[str]:
    """What keeps `source` from being run, one line each; empty when nothing does."""
    texts = [source] if isinstance(source, str) else source
    try:
        rendered = render(source, EXAMPLE)
    except BadStatement as fault:
        return [fault.reason]
    if any(_SLASH.search(text) for text in texts):
        return ["a line with / alone is SQL*Plus, not SQL; make each statement an item of the list"]
    return [
        f"would change the session for what comes after it: {text.strip()[:_SHOWN]}"
        for text in rendered
        if _SETS_SESSION.match(text)
    ]


def _quoted(name: str, kind: str, values: Values) -> str:
    if name not in KNOWN:
        allowed = ", ".join(sorted(f"{{{{{known}}}}}" for known in KNOWN))
        raise BadStatement(f"unknown placeholder {{{{{name}}}}}; allowed are {allowed}")
    if kind == "quoted":
        raise BadStatement(f"{{{{{name}}}}} cannot stand inside of q'…'; write '…'")
    if name in NAMES:
        value = values.name.upper()
    else:
        value = values.expiration if name in EXPIRIES else values.password
    if kind == "literal":
        return literal(value)[1:-1]
    if kind == "identifier":
        return quoted(value)[1:-1]
    return literal(value) if name in EXPIRIES else quoted(value)


def _written(statement: Sequence[Token]) -> str:
    return "".join(token.text for token in statement)


def quoted(text: str) -> str:
    """`text` in double quotes, as an identifier or a password. Raises BadStatement."""
    if '"' in text or not text.isprintable():
        raise BadStatement('a value holds " or a character that cannot be shown')
    return f'"{text}"'


def account(name: str) -> str:
    """The name of an account as an identifier: in capitals."""
    return quoted(name.upper())


def identifier(name: str) -> str:
    """A name of a policy: `app_ro` is APP_RO, as for Oracle; `"app_ro"` stays what it is."""
    if _PLAIN.fullmatch(name):
        return quoted(name.upper())
    return quoted(name[1:-1]) if name[:1] == name[-1:] == '"' and len(name) > 2 else quoted(name)


def literal(text: str) -> str:
    """`text` as an SQL literal. Raises BadStatement for characters that cannot be shown."""
    if not text.isprintable():
        raise BadStatement("a value holds a character that cannot be shown")
    return "'" + text.replace("'", "''") + "'"


def listed(names: Sequence[str]) -> str:
    """Account names as they stand behind IN."""
    return f"({', '.join(literal(name.upper()) for name in names)})"
