"""Lines of the audit as sentences: the life of a lease, or what a request did, for people. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from leasehold.events.audit_line import Line, caller_words, time_of
from leasehold.model import EventType

_SAYS: Mapping[str, str] = {
    EventType.DENIED: "denied",
    EventType.NO_EFFECT: "allowed, without effect",
    EventType.INTENDED: "asked for; the intent to make account {account} for {identity} is durable",
    EventType.READY: "the account was seen to work",
    EventType.WARMED: "the account stands, made ahead for nobody yet, until {expires}",
    EventType.ISSUED: "the account stands; the lease is active until {expires}",
    EventType.DELIVERED: "the credential was handed over",
    EventType.ISSUE_FAILED: "the issue failed; what may stand is taken away",
    EventType.RENEWED: "renewed until {expires}",
    EventType.REPLACED: "another lease took its place; it lives until {expires} at most",
    EventType.ACKNOWLEDGED: "its holder has gone over to it from the lease that it replaced",
    EventType.SHORTENED: "its end was brought nearer, to {expires}",
    EventType.EXPIRING: "four fifths of it are over",
    EventType.REVOKING: "it has to end (cause: {cause})",
    EventType.ATTEMPT_FAILED: "taking the account away failed (cause of the end: {cause})",
    EventType.DISABLED: "nobody can log in any more; the account still stands or is looked for",
    EventType.REVOKED: "the account is gone (cause: {cause})",
    EventType.EXPIRED: "the account is gone: the lease was over",
    EventType.FORCED: "ended by force; the account may stand",
    EventType.OVERDUE: "overdue: the account stands past the end of its lease",
    EventType.TARGET_BEHIND: "the target still has the later end of the account",
}
_TOLD: Mapping[str, str] = {
    "verb": "verb",
    "path": "at",
    "rule": "rule",
    "generation": "of generation",
    "identities": "as",
    "attempt": "attempt",
    "outcome": "the target said",
    "target": "target",
    "ms": "ms",
    "order": "order",
    "why": "why",
    "note": "but",
    "request": "request",
}
"""Details that are shown, in this order, each with its word."""


def story(lines: Iterable[Line]) -> Iterator[tuple[str, str, str]]:
    """For each line its time, what happened, and what is told of it."""
    for line in lines:
        kind = str(line["event"])
        words = _SAYS.get(kind, kind).format_map(_Known(line))
        if line.get("delayed"):
            words += "; written later, when the audit could be written again"
        yield time_of(line), _plain(words), _plain("; ".join(_told(line)))


def _told(line: Line) -> Iterator[str]:
    if caller := line.get("caller"):
        yield f"asked by {caller_words(caller)}"
    detail = line.get("detail", {})
    for name, word in _TOLD.items():
        if text := detail.get(name):
            yield f"{text} {word}" if name == "ms" else f"{word} {text}"


def _plain(text: str) -> str:
    """A text without what a terminal would obey: some of it came from callers."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


class _Known(dict[str, object]):
    """The fields of a line; what an older or a strange one lacks is shown as a dash."""

    def __missing__(self, key: str) -> str:
        return "-"
