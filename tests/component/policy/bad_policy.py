"""One bad policy of the corpus, and the good one that it is made of."""

from dataclasses import dataclass

FILE = "policy.yaml"
CONNECTION = (
    "engines:\n"
    "  main:\n"
    "    type: postgresql\n"
    "    mount: database\n"
    "    connection: {url: 'postgresql://db.internal/app', username: lh, password: 'env:X'}\n"
)
ROLE = "roles:\n  main/a:\n    member_of: [g]\n"
IDENTITY = "identities:\n  anna:\n    owner: o\n    tenant: t\n    match: [{unix: {uid: 1}}]\n"
DURATION = "a duration such as 90s, 15m, 1h30m or 7d, or whole seconds"
NAME = "lower-case letters, digits, - and _, at most 63, beginning with a letter or digit"
SHOWN = 60
VERBS = "issue, renew, revoke, revoke-any, list, operate"


@dataclass(frozen=True)
class BadPolicy:
    """The content of one file, and the line that it prints; after a `*` all keys that are known."""

    name: str
    data: bytes
    line: str


def shown(text: str) -> str:
    """A long text as it is told."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def bad(name: str, text: str, path: str, message: str) -> BadPolicy:
    """The policy `text` without `§`, which is where the problem must be said to stand."""
    before, _, after = text.partition("§")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    place = f"{FILE}:{line}:{column}: {f'{path}: ' if path else ''}"
    return BadPolicy(name, (before + after).encode(), place + message)
