"""Statements of a role, as PostgreSQL reads them.

`'…'` and `E'…'` are texts, `"…"` is an identifier, `$tag$…$tag$` is a text that quotes nothing;
comments nest. `{{password}}` becomes the SCRAM verifier, so it may stand only where the server
takes one: after PASSWORD in CREATE or ALTER ROLE.
"""

import re
from collections.abc import Mapping

from leasehold.plugin.statements import (
    EXPIRIES,
    NAMES,
    BadStatement,
    Dialect,
    Token,
    after_nested_comment,
    is_placeholder,
)

PASSWORDS = frozenset({"password", "verifier"})
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
_TAKES_VERIFIER = re.compile(
    r"\s*(create|alter)\s+(role|user)\b.*password\s*$", re.IGNORECASE | re.DOTALL
)


def _verified(done: str, token: Token, values: Mapping[str, str]) -> str | None:
    alone = is_placeholder("password", token.text.lstrip("eE").strip("'"))
    if alone and _TAKES_VERIFIER.match(done):
        return done + literal(values["password"])
    return None


def _quoted(name: str, kind: str, values: Mapping[str, str]) -> str:
    if name == "password":
        raise BadStatement(
            "{{password}} stands where the server takes no SCRAM verifier; write it by itself after"
            " PASSWORD in CREATE ROLE or ALTER ROLE, since no clear password is sent"
        )
    if name in EXPIRIES and kind == "identifier":
        raise BadStatement(
            f"{{{{{name}}}}} stands in double quotes, where the server reads a name; write"
            f" '{{{{{name}}}}}'"
        )
    value = values[name]
    if kind == "identifier":
        return value.replace('"', '""')
    if kind == "literal":
        return value.replace("'", "''")
    if kind == "escaped":
        return value.replace("\\", "\\\\").replace("'", "''")
    if kind == "dollar":
        if "$" in value:
            raise BadStatement(f"{{{{{name}}}}} cannot stand inside a dollar-quoted text")
        return value
    return identifier(value) if name in NAMES else literal(value)


def identifier(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as an SQL literal, for a server with standard_conforming_strings on."""
    return "'" + text.replace("'", "''") + "'"


DIALECT = Dialect(
    tokens=_TOKEN,
    placeholders=KNOWN,
    quoted=_quoted,
    example=EXAMPLE,
    after_comment=after_nested_comment,
    replaced=_verified,
)
split, render, faults = DIALECT.split, DIALECT.render, DIALECT.faults
