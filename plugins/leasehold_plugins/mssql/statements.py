"""Statements of a role, as SQL Server reads them.

`'…'` is a text, `[…]` and `"…"` are identifiers, a quote is doubled inside, comments nest.
`CREATE LOGIN … PASSWORD = '{{password}}'` becomes `PASSWORD = 0x… HASHED` where the server takes a
verifier, so that the password is in no statement.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from leasehold.plugin.statements import (
    EXPIRIES,
    NAMES,
    BadStatement,
    Dialect,
    Token,
    after_nested_comment,
    at_ends_unless_begin,
    is_placeholder,
)

KNOWN = NAMES | EXPIRIES | {"password", "verifier"}

_TOKEN = re.compile(
    r"""
      (?P<comment>--[^\n]*|/\*)
    | (?P<literal>'(?:[^']|'')*')
    | (?P<bracket>\[(?:[^\]]|\]\])*\])
    | (?P<identifier>"(?:[^"]|"")*")
    | (?P<end>;)
    | (?P<open>['"\[])
    | (?P<code>[\w@#$]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_GO = re.compile(r"^\s*go(\s+\d+)?\s*$", re.IGNORECASE | re.MULTILINE)
_SETS_SESSION = re.compile(
    r"\s*(?:set\b(?!\s+@)|begin\s+tran|save\s+tran|revert\b|execute\s+as\b|exec\s+as\b)",
    re.IGNORECASE,
)
_TAKES_VERIFIER = re.compile(
    r"\s*create\s+login\b.*\bpassword\s*=\s*N?$", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What placeholders stand for.

    `verifier` is empty where the server takes none. After an account was made, password and expiry
    are not known any more, and are empty.
    """

    name: str
    expiration: str = ""
    password: str = ""
    verifier: str = ""


EXAMPLE = Values(
    name="lhabcd_abcdefghijklmnop_abcd",
    expiration="2030-01-01T00:00:00",
    password="an example",  # noqa: S106 (nobody has it)
    verifier="0x0200",
)
"""Values of the form that accounts get, for looking at statements that nobody runs."""


def _verified(done: str, token: Token, values: Values) -> str | None:
    alone = is_placeholder("password", token.text.strip("'"))
    if values.verifier and alone and _TAKES_VERIFIER.match(done):
        return f"{done.removesuffix('N').removesuffix('n')}{values.verifier} HASHED"
    return None


def _quoted(name: str, kind: str, values: Values) -> str:
    if name == "verifier":
        if kind != "code":
            raise BadStatement("{{verifier}} is a number, 0x…; write it without quotes")
        return values.verifier
    value = _value(name, values)
    if kind == "bracket":
        return identifier(value)[1:-1]
    if kind == "identifier":
        return _plain(value).replace('"', '""')
    if kind == "literal":
        return literal(value)[2:-1]
    return identifier(value) if name in NAMES else literal(value)


def _value(name: str, values: Values) -> str:
    if name in NAMES:
        return values.name
    return values.expiration if name in EXPIRIES else values.password


def _plain(text: str) -> str:
    # A line break after a backslash would be taken out of a text by the server.
    if not text.isprintable():
        raise BadStatement("a value holds a character that cannot be shown")
    return text


def identifier(name: str) -> str:
    """`name` as an SQL identifier. Raises BadStatement for characters that cannot be shown."""
    return "[" + _plain(name).replace("]", "]]") + "]"


def literal(text: str) -> str:
    """`text` as an SQL literal. Raises BadStatement for characters that cannot be shown."""
    return "N'" + _plain(text).replace("'", "''") + "'"


def listed(texts: Sequence[str]) -> str:
    """Texts as they stand behind IN."""
    return f"({', '.join(map(literal, texts))})"


DIALECT = Dialect(
    tokens=_TOKEN,
    placeholders=KNOWN,
    quoted=_quoted,
    example=EXAMPLE,
    after_comment=after_nested_comment,
    parts=at_ends_unless_begin,
    replaced=_verified,
    foreign=(
        (_GO, "GO is a command of sqlcmd, not of the server; end statements with a semicolon"),
    ),
    sets_session=_SETS_SESSION,
)
split, render, faults = DIALECT.split, DIALECT.render, DIALECT.faults
