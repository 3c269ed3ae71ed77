"""One line of the audit: what it says, and the MAC that chains it to the line before. Pure.

    {"seq":7,"time":…,"event":…,…,"prev":"<MAC of line 6>","mac":"<MAC of all that stands before>"}

The MAC is made with a key that does not stand in the file, so a line that verifies is as it was
written; its number and `prev` say where it belongs (rules AU1, AU6).
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leasehold.model import AuditHead, Event, EventType, Lease

KEY_PURPOSE = "audit chain"
"""What the chain's key is derived for."""
GENESIS = AuditHead(0, "0" * 64)
TEXT_CHARS = 256
CONTINUED = "audit-continued"
"""The first line of a file that goes on where another one was full."""
REMOVED = "audit-removed"
"""A full file has passed its age and goes."""
BROKEN = "audit-broken"
"""At a start the audit was not what the store remembers, or the store not what the audit says."""
MADE = frozenset({EventType.WARMED, EventType.ISSUED, EventType.ADOPTED})
"""What lines of a lease say all of it, under `made`."""
_MAC_CHARS = len(',"mac":""}') + 64

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """A line as it was written: its fields, and its text without the newline."""

    fields: Line
    text: str


def event_fields(event: Event, wall: Callable[[int], datetime]) -> dict[str, object]:
    """What a line says of an event; account and lease are named, and never a secret."""
    fields: dict[str, object] = {
        "time": instant(wall(event.at_ms)),
        "event": event.type,
        "id": event.id,
    }
    if event.caller is not None:
        fields["caller"] = event.caller.told()
    if lease := event.lease:
        fields["lease"] = lease.id
        fields["account"] = lease.account
        fields["identity"] = lease.identity
        if lease.labels:
            fields["labels"] = dict(lease.labels)
        fields["state"] = lease.state
        fields["expires"] = instant(wall(lease.expires_ms))
        if lease.cause:
            fields["cause"] = lease.cause
        if lease.replaced_by:
            fields["replaced_by"] = lease.replaced_by
        if event.type in MADE:
            fields["made"] = _made(lease, wall)
    if event.detail:
        fields["detail"] = {key: text[:TEXT_CHARS] for key, text in event.detail.items()}
    return fields


def _made(lease: Lease, wall: Callable[[int], datetime]) -> Line:
    """What else of a new lease is needed to put it back into a store that does not know it."""
    told = {
        "issued": instant(wall(lease.issued_ms)),
        "max_expires": instant(wall(lease.max_expires_ms)),
        "engine": lease.engine,
        "owner": lease.owner,
        "tenant": lease.tenant,
        "target": lease.target,
        "holder": lease.holder,
        "handle": dict(lease.handle),
        "replaces": lease.replaces,
    }
    return {name: value for name, value in told.items() if value}


def caller_words(fields: Line) -> str:
    """Who asked, for people, of whatever a line has of it (see `Caller.told`)."""
    return ", ".join(f"{name} {value}" for name, value in fields.items())


def instant(at: datetime) -> str:
    """An instant as lines bear it: RFC 3339, to the millisecond."""
    return at.isoformat(timespec="milliseconds")


def chained(fields: Line, key: bytes, before: AuditHead) -> tuple[Written, AuditHead]:
    """The line that follows `before`, and the head that it makes."""
    whole = {"seq": before.seq + 1, **fields, "prev": before.mac}
    body = json.dumps(whole, separators=(",", ":"))
    mac = _mac(key, body.encode())
    return Written(whole, f'{body[:-1]},"mac":"{mac}"}}'), AuditHead(before.seq + 1, mac)


def fields_of(line: bytes, key: bytes) -> dict[str, Any] | None:
    """What a line says, None when it does not verify; its newline may be there or not."""
    line = line.removesuffix(b"\n")
    body = line[:-_MAC_CHARS] + b"}"
    whole = b'%s,"mac":"%s"}' % (body[:-1], _mac(key, body).encode())
    if not hmac.compare_digest(whole, line):
        return None
    found: dict[str, Any] = json.loads(line)
    return found


def head_of(fields: Line) -> AuditHead:
    """The place that a line has in the chain."""
    return AuditHead(fields["seq"], fields["mac"])


def time_of(fields: Line) -> str:
    """When it happened, as the line says it; the daemon's own notes of a start have no time."""
    return str(fields.get("time", ""))


def _mac(key: bytes, body: bytes) -> str:
    return hmac.digest(key, body, hashlib.sha256).hex()
