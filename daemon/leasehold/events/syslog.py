"""A line of the audit as a message of syslog (RFC 5424). Pure.

The whole line is the message, its MAC too, so that what stands elsewhere can be held against it.
"""

from leasehold.events.audit_line import Written, time_of
from leasehold.model import EventType

_AUDIT = 13
"""The facility "log audit" (RFC 5424, table 1)."""
NOTICE, WARNING = 5, 4
"""Severities (RFC 5424, table 2); journald's priorities are the same."""
_GRAVE = frozenset(
    {
        EventType.DENIED,
        EventType.ISSUE_FAILED,
        EventType.ATTEMPT_FAILED,
        EventType.OVERDUE,
        EventType.POLICY_REFUSED,
        EventType.ORPHAN_FOUND,
        EventType.CLOCK_SUSPECT,
        EventType.PAUSED,
    }
)
_NAME_CHARS, _ID_CHARS = 255, 32


def severity(line: Written) -> int:
    """How much it matters that somebody reads a line."""
    return WARNING if line.fields["event"] in _GRAVE else NOTICE


def syslog_message(line: Written, *, host: str, pid: int) -> bytes:
    """One datagram."""
    priority = _AUDIT * 8 + severity(line)
    time = time_of(line.fields).replace("+00:00", "Z") or "-"
    kind = str(line.fields["event"])[:_ID_CHARS]
    head = f"<{priority}>1 {time} {_printable(host)} leasehold {pid} {kind} -"
    return f"{head} {line.text}".encode()


def _printable(host: str) -> str:
    """A host name as the header takes it: US-ASCII without blanks, `-` for none."""
    return "".join(char for char in host if "!" <= char <= "~")[:_NAME_CHARS] or "-"
