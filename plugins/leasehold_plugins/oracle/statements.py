"""Statements of a role, as Oracle reads them.

`'…'` and `q'[…]'` are texts, `"…"` is an identifier or a password, and has no way to hold a quote;
comments do not nest; a block of PL/SQL is one statement with its semicolons.

Account names are written in capitals, as Oracle reads a name without quotes: whoever logs in with
the small letters of the credential is the same user.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from leasehold.plugin.statements import EXPIRIES, NAMES, BadStatement, Dialect, at_ends

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
_BLOCK = re.compile(
    r"\s*(?:begin|declare|<<|create\s+(?:or\s+replace\s+)?(?:(?:non)?editionable\s+)?"
    r"(?:function|package|procedure|trigger|type))\b",
    re.IGNORECASE,
)
_SLASH = re.compile(r"^\s*/\s*$", re.MULTILINE)
_SETS_SESSION = re.compile(r"\s*(?:alter\s+session|set\s+(?:role|transaction))\b", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_$#]*")


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


def _quoted(name: str, kind: str, values: Values) -> str:
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


DIALECT = Dialect(
    tokens=_TOKEN,
    placeholders=KNOWN,
    quoted=_quoted,
    example=EXAMPLE,
    parts=partial(at_ends, block=_BLOCK),
    foreign=(
        (
            _SLASH,
            "a line with / alone is SQL*Plus, not SQL; make each statement an item of the list",
        ),
    ),
    sets_session=_SETS_SESSION,
)
split, render, faults = DIALECT.split, DIALECT.render, DIALECT.faults
