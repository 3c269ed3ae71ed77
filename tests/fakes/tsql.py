"""T-SQL taken apart for the fake of SQL Server: batches, names and texts."""

import re
from collections.abc import Iterator

import sqlglot

ID = r"\[((?:[^\]]|\]\])*)\]"
TEXT = r"N'((?:[^']|'')*)'"


def parted(batch: str) -> Iterator[str]:
    """The statements of a batch, parted as sqlglot reads it."""
    begin = 0
    for token in sqlglot.tokenize(batch, read="tsql"):
        if token.token_type.name == "SEMICOLON":
            yield batch[begin : token.start].strip()
            begin = token.end + 1
    if batch[begin:].strip():
        yield batch[begin:].strip()


def unquoted(found: re.Match[str]) -> list[str]:
    """The groups of a match: names and texts as what they stand for, others as they are."""
    values = []
    for number, value in enumerate(found.groups(), 1):
        before = found.string[found.start(number) - 1] if found.start(number) > 0 else ""
        double = {"[": "]", "'": "'"}.get(before, "")
        values.append((value or "").replace(2 * double, double) if double else value or "")
    return values


def texts(listed: str) -> list[str]:
    return [it.replace("''", "'") for it in re.findall(TEXT, listed)]
