"""Statements of a role: split as the server would, placeholders quoted for where they stand.

`'…'` is a text, `[…]` and `"…"` are identifiers, a quote is doubled inside, comments nest. A
placeholder becomes part of what it stands in, quoted for that; bare it is quoted as a whole;
nothing is ever pasted in as it is (rule S3). `CREATE LOGIN … PASSWORD = '{{password}}'` becomes
`PASSWORD = 0x… HASHED` where the server takes a verifier, so that the password is in no statement.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leasehold.plugin import EnginePermanent, ErrorClass

NAMES = frozenset({"name", "username"})
EXPIRIES = frozenset({"expiration", "expires"})
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
_SHOWN = 30
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_GO = re.compile(r"^\s*go(\s+\d+)?\s*$", re.IGNORECASE | re.MULTILINE)
_SETS_SESSION = re.compile(
    r"\s*(?:set\b(?!\s+@)|begin\s+tran|save\s+tran|revert\b|execute\s+as\b|exec\s+as\b)",
    re.IGNORECASE,
)
_TAKES_VERIFIER = re.compile(
    r"\s*create\s+login\b.*\bpassword\s*=\s*N?$", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a statement: `code`, `literal`, `bracket` or `identifier`."""

    kind: str
    text: str


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


class BadStatement(EnginePermanent):
    """A text that cannot be split, or a value or placeholder that cannot stand where it should."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, error_class=ErrorClass.INVALID)


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
    return [found for found in statements if "".join(it.text for it in found).strip()]


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
    """Where a block comment ends; they nest."""
    depth = 1
    while depth:
        found = re.compile(r"/\*|\*/").search(text, at)
        if found is None:
            raise BadStatement("a comment opens and never closes")
        depth += 1 if found[0] == "/*" else -1
        at = found.end()
    return at


def render(source: str | Sequence[str], values: Values) -> list[str]:
    """The statements with every placeholder replaced by its quoted value. Raises BadStatement."""
    return [_filled(statement, values) for statement in split(source)]


def faults(source: str | Sequence[str]) -> list[str]:
    """What keeps `source` from being run, one line each; empty when nothing does."""
    texts = [source] if isinstance(source, str) else source
    try:
        rendered = render(source, EXAMPLE)
    except BadStatement as fault:
        return [fault.reason]
    if any(_GO.search(text) for text in texts):
        return ["GO is a command of sqlcmd, not of the server; end statements with a semicolon"]
    return [
        f"would change the session for what comes after it: {text.strip()[:_SHOWN]}"
        for text in rendered
        if _SETS_SESSION.match(text)
    ]


def sends_password(source: str | Sequence[str]) -> bool:
    """Whether the clear password would stand in one of the statements, by our doing alone."""
    return any(EXAMPLE.password in text for text in render(source, EXAMPLE))


def _filled(statement: Sequence[Token], values: Values) -> str:
    done = ""
    for token in statement:
        if values.verifier and _stands_for_password(token) and _TAKES_VERIFIER.match(done):
            done = f"{done.removesuffix('N').removesuffix('n')}{values.verifier} HASHED"
            continue
        done += _PLACEHOLDER.sub(lambda it: _quoted(it[1], token.kind, values), token.text)  # noqa: B023 (used at once)
    return done


def _stands_for_password(token: Token) -> bool:
    found = _PLACEHOLDER.fullmatch(token.text.strip("'"))
    return token.kind in ("literal", "code") and found is not None and found[1] == "password"


def _quoted(name: str, kind: str, values: Values) -> str:
    if name not in KNOWN:
        allowed = ", ".join(sorted(f"{{{{{known}}}}}" for known in KNOWN))
        raise BadStatement(f"unknown placeholder {{{{{name}}}}}; allowed are {allowed}")
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
