r"""Statements of a role, as MySQL and MariaDB read them.

The session's mode is known (`session.py`): `'…'` and `"…"` are texts in which backslashes escape,
`` `…` `` is an identifier, comments do not nest.

`IDENTIFIED BY '{{password}}'` becomes `IDENTIFIED WITH <plugin> AS '<verifier>'`, which both kinds
of server read alike, so that the password is in no statement.
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
    after_comment,
    at_ends_unless_begin,
    is_placeholder,
)
from leasehold_plugins.mysql.verifiers import VERIFIERS

DAYS = "expire_days"
KNOWN = NAMES | EXPIRIES | {"password", "verifier", DAYS}

_TOKEN = re.compile(
    r"""
      (?P<comment>--(?=\s|$)[^\n]*|\#[^\n]*|/\*)
    | (?P<literal>'(?:[^'\\]|\\.|'')*')
    | (?P<text>"(?:[^"\\]|\\.|"")*")
    | (?P<identifier>`(?:[^`]|``)*`)
    | (?P<end>;)
    | (?P<open>['"`])
    | (?P<code>\w[\w$]*|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = str.maketrans({"\\": r"\\", "'": r"\'", '"': r"\"", "\0": r"\0"})
_SETS_SESSION = re.compile(
    r"\s*(?:set\s+(?!password\b|default\s+role\b|global\b|persist)|use\b|lock\b"
    r"|begin\b(?!\s+not\b)|start\s+transaction\b)",
    re.IGNORECASE,
)
_BY = re.compile(r"\bidentified\s+(?:(?:with|via)\s+(?P<plugin>\S+)\s+)?by\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What placeholders stand for. `plugin` is what the role's accounts log in with.

    After an account was made, password and expiry are not known any more, and are empty.
    """

    name: str
    expiration: str = ""
    days: str = ""
    plugin: str = ""
    password: str = ""

    def verifier(self, plugin: str) -> str:
        """What the server stores of the password."""
        return VERIFIERS[plugin](self.password) if self.password else ""


EXAMPLE = Values(
    name="lhabcd_abcdefghijklmnop_abcd",
    expiration="2030-01-01 00:00:00",
    days="1",
    plugin="mysql_native_password",
    password="an example",  # noqa: S106 (nobody has it)
)
"""Values of the form that accounts get, for looking at statements that nobody runs."""


def _after_comment(text: str, at: int) -> int:
    if text.startswith(("!", "M!"), at):
        raise BadStatement("a comment that servers run (/*!) is not read; write what is in it")
    return after_comment(text, at)


def _verified(done: str, token: Token, values: Values) -> str | None:
    if is_placeholder("password", token.text.strip("'\"")) and (found := _BY.search(done)):
        plugin = (found["plugin"] or values.plugin).strip("'\"`")
        if plugin in VERIFIERS:
            verifier = literal(values.verifier(plugin))
            return f"{done[: found.start()]}IDENTIFIED WITH {plugin} AS {verifier}"
    return None


def _quoted(name: str, kind: str, values: Values) -> str:
    if name == DAYS:
        return values.days
    value = _value(name, values)
    if kind == "identifier":
        return value.replace("`", "``")
    if kind in ("literal", "text"):
        return _escaped(value)
    return identifier(value) if name in NAMES else literal(value)


def _value(name: str, values: Values) -> str:
    if name in NAMES:
        return values.name
    if name in EXPIRIES:
        return values.expiration
    return values.password if name == "password" else values.verifier(values.plugin)


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def identifier(name: str) -> str:
    """`name` as an SQL identifier."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """`text` as an SQL literal, for a session in which backslashes escape."""
    return f"'{_escaped(text)}'"


DIALECT = Dialect(
    tokens=_TOKEN,
    placeholders=KNOWN,
    quoted=_quoted,
    example=EXAMPLE,
    after_comment=_after_comment,
    parts=at_ends_unless_begin,
    replaced=_verified,
    sets_session=_SETS_SESSION,
)
split, render, faults = DIALECT.split, DIALECT.render, DIALECT.faults


def sends_password(source: str | Sequence[str]) -> bool:
    """Whether the clear password would stand in one of the statements."""
    return any(EXAMPLE.password in text for text in render(source, EXAMPLE))
