r"""Statements of a role: split as the server would, placeholders quoted for where they stand.

The session's mode is known (`session.py`): `'…'` and `"…"` are texts in which backslashes escape,
`` `…` `` is an identifier. A placeholder becomes part of what it stands in, quoted for that; bare
it is quoted as a whole; nothing is ever pasted in as it is (rule S3).

`IDENTIFIED BY '{{password}}'` becomes `IDENTIFIED WITH <plugin> AS '<verifier>'`, which both kinds
of server read alike, so that the password is in no statement.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leasehold_plugins.mysql.verifiers import VERIFIERS

NAMES = frozenset({"name", "username"})
EXPIRIES = frozenset({"expiration", "expires"})
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
_SHOWN = 30
_ESCAPES = str.maketrans({"\\": r"\\", "'": r"\'", '"': r"\"", "\0": r"\0"})
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_SETS_SESSION = re.compile(
    r"\s*(?:set\s+(?!password\b|default\s+role\b|global\b|persist)|use\b|lock\b"
    r"|begin\b(?!\s+not\b)|start\s+transaction\b)",
    re.IGNORECASE,
)
_BY = re.compile(r"\bidentified\s+(?:(?:with|via)\s+(?P<plugin>\S+)\s+)?by\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a statement: `code`, `literal`, `text` or `identifier`."""

    kind: str
    text: str


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


class BadStatement(Exception):
    """A text that cannot be split, or a placeholder where it cannot stand."""


def split(source: str | Sequence[str]) -> list[list[Token]]:
    """The statements of `source` as tokens, comments left out. Raises BadStatement.

    A text with a bare BEGIN is one statement, since its semicolons end what stands inside.
    """
    texts = [source] if isinstance(source, str) else source
    statements: list[list[Token]] = []
    for text in texts:
        tokens = list(_tokens(text))
        compound = any(it.kind == "code" and it.text.lower() == "begin" for it in tokens)
        current: list[Token] = []
        for token in tokens:
            if token.kind == "end" and not compound:
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
        if found is None or found.lastgroup is None:
            raise BadStatement(f"cannot be read from character {at}")
        if found.lastgroup == "open":
            raise BadStatement(f"a quote opens and never closes: {text[at : at + _SHOWN].strip()}")
        at = found.end()
        if found[0] == "/*":
            at = _after_comment(text, at)
        if found.lastgroup == "comment":
            yield Token("code", " ")
        else:
            yield Token(found.lastgroup, found[0])


def _after_comment(text: str, at: int) -> int:
    """Where a block comment ends; they do not nest."""
    if text.startswith(("!", "M!"), at):
        raise BadStatement("a comment that servers run (/*!) is not read; write what is in it")
    end = text.find("*/", at)
    if end < 0:
        raise BadStatement("a comment opens and never closes")
    return end + 2


def render(source: str | Sequence[str], values: Values) -> list[str]:
    """The statements with every placeholder replaced by its quoted value. Raises BadStatement."""
    return [_filled(statement, values) for statement in split(source)]


def faults(source: str | Sequence[str]) -> list[str]:
    """What keeps `source` from being run, one line each; empty when nothing does."""
    try:
        rendered = render(source, EXAMPLE)
    except BadStatement as fault:
        return [str(fault)]
    return [
        f"would change the session for what comes after it: {text.strip()[:_SHOWN]}"
        for text in rendered
        if _SETS_SESSION.match(text)
    ]


def sends_password(source: str | Sequence[str]) -> bool:
    """Whether the clear password would stand in one of the statements."""
    return any(EXAMPLE.password in text for text in render(source, EXAMPLE))


def _filled(statement: Sequence[Token], values: Values) -> str:
    done = ""
    for token in statement:
        if done and _stands_for_password(token) and (found := _BY.search(done)):
            plugin = (found["plugin"] or values.plugin).strip("'\"`")
            if plugin in VERIFIERS:
                verifier = literal(values.verifier(plugin))
                done = f"{done[: found.start()]}IDENTIFIED WITH {plugin} AS {verifier}"
                continue
        done += _PLACEHOLDER.sub(lambda it: _quoted(it[1], token.kind, values), token.text)  # noqa: B023 (used at once)
    return done


def _stands_for_password(token: Token) -> bool:
    found = _PLACEHOLDER.fullmatch(token.text.strip("'\""))
    return found is not None and found[1] == "password"


def _quoted(name: str, kind: str, values: Values) -> str:
    if name not in KNOWN:
        allowed = ", ".join(sorted(f"{{{{{known}}}}}" for known in KNOWN))
        raise BadStatement(f"unknown placeholder {{{{{name}}}}}; allowed are {allowed}")
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


def _written(statement: Sequence[Token]) -> str:
    return "".join(token.text for token in statement)


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def identifier(name: str) -> str:
    """`name` as an SQL identifier."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """`text` as an SQL literal, for a session in which backslashes escape."""
    return f"'{_escaped(text)}'"
