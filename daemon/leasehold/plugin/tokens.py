"""What a text of SQL is made of: tokens, comments, and the statements that they add up to. Pure.

Kinds of SQL differ in how comments end and in what a semicolon ends; a `Dialect` chooses from here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from leasehold.errors import EnginePermanent, ErrorClass

NEVER = re.compile(r"(?!)")
"""Matches nothing."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a statement. `kind` is `code`, `end` or one of the dialect's own."""

    kind: str
    text: str


class BadStatement(EnginePermanent):
    """A text that cannot be split, or a value or placeholder that cannot stand where it should."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, error_class=ErrorClass.INVALID)


def after_comment(text: str, at: int) -> int:
    """Where the block comment ends in which `at` lies, when none nests. Raises BadStatement."""
    end = text.find("*/", at)
    if end < 0:
        raise BadStatement("a comment opens and never closes")
    return end + 2


def after_nested_comment(text: str, at: int) -> int:
    """Where the block comment ends in which `at` lies, when they nest. Raises BadStatement."""
    depth = 1
    for found in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if found[0] == "/*" else -1
        if depth == 0:
            return found.end()
    raise BadStatement("a comment opens and never closes")


def written(tokens: Sequence[Token]) -> str:
    """Tokens as the text that they are."""
    return "".join(token.text for token in tokens)


def at_ends(tokens: Sequence[Token], block: re.Pattern[str] = NEVER) -> list[list[Token]]:
    """The statements of a text, each ended by a semicolon.

    One that begins as `block` goes on to the end of the text, since its semicolons are within.
    """
    statements: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind == "end" and not block.match(written(statements[-1])):
            statements.append([])
        else:
            statements[-1].append(token)
    return statements


def at_ends_unless_begin(tokens: Sequence[Token]) -> list[list[Token]]:
    """The same; a text with a bare BEGIN is one statement, whatever comes before it."""
    if any(token.kind == "code" and token.text.lower() == "begin" for token in tokens):
        return [list(tokens)]
    return at_ends(tokens)
