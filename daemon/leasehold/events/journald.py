"""A line of the audit as an entry of the systemd journal, in its native protocol. Pure.

One `NAME=value` a line, or for a value with a newline the name, its length and the value
(https://systemd.io/JOURNAL_NATIVE_PROTOCOL). The fields beside the message are there to filter by:
`journalctl LEASEHOLD_LEASE=…`.
"""

import struct

from leasehold.events.audit_line import Written
from leasehold.events.syslog import severity

_SHOWN = ("seq", "event", "lease", "account", "identity", "cause")


def journal_entry(line: Written) -> bytes:
    """One datagram."""
    fields = {
        "MESSAGE": line.text,
        "PRIORITY": str(severity(line)),
        "SYSLOG_IDENTIFIER": "leasehold",
    }
    for name in _SHOWN:
        if name in line.fields:
            fields[f"LEASEHOLD_{name.upper()}"] = str(line.fields[name])
    return b"".join(_field(name, value.encode(errors="replace")) for name, value in fields.items())


def _field(name: str, value: bytes) -> bytes:
    if b"\n" in value:
        return b"%s\n%s%s\n" % (name.encode(), struct.pack("<Q", len(value)), value)
    return b"%s=%s\n" % (name.encode(), value)
