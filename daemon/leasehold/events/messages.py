"""Events of leases and the daemon's state as MQTT messages. Pure.

An event is a CloudEvent 1.0 in structured mode, after the JSON format and the MQTT binding of
CloudEvents 1.0.2. Both payloads are described in `schemas/event.schema.json`. What is told is
listed here field by field, so that nothing of a lease gets out by being new (rule AU8).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from leasehold.clock import rfc3339
from leasehold.model import AuditHead, Event, Lease

CLOUD_EVENT = "application/cloudevents+json"
JSON = "application/json"
REASON_CHARS = 256
_SEQUENCE_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Message:
    """What is handed to the broker, under `topic`."""

    topic: str
    payload: bytes
    content_type: str


class DaemonState(StrEnum):
    """What subscribers are told of the daemon; the broker says `dead` in its stead."""

    ONLINE = "online"
    QUARANTINED = "quarantined"
    SEALED = "sealed"
    STOPPED = "stopped"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The numbers of a heartbeat (rule Z2); `audit` is where the audit stands (rule AU4).

    `oldest_overdue_s` is how long ago the first of the overdue leases ended, `sweep_lag_s` for how
    long the ends of leases have got no further.
    """

    overdue: int
    oldest_overdue_s: int | None
    sweep_lag_s: int
    quarantined: int
    live_leases: int
    events_waiting: int
    audit: AuditHead | None


def event_message(
    event: Event, seq: int, *, deployment: str, wall: Callable[[int], datetime]
) -> Message:
    """The message that tells an event.

    `seq` is its place in the outbox; `wall` turns lease time into UTC.
    """
    lease = event.lease
    levels: tuple[str, ...]
    if lease is not None:
        family, kind, subject = "lease", str(event.type), lease.id
        levels, facts = (lease.mount, lease.role), _facts(lease, event, wall)
    else:
        family, _, kind = event.type.partition("-")
        subject = event.detail.get("about", "")
        levels, facts = tuple(filter(None, subject.split("/"))), _told(event)
    payload = {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/leasehold/{_level(deployment)}",
        "type": f"leasehold.{family}.{kind}",
        "subject": subject,
        "time": rfc3339(wall(event.at_ms)),
        "datacontenttype": JSON,
        "sequence": str(seq).zfill(_SEQUENCE_DIGITS),
        "data": facts,
    }
    return Message(_topic(deployment, family, kind, *levels), _json(payload), CLOUD_EVENT)


def status_message(
    state: DaemonState, at: datetime, *, deployment: str, health: Health | None = None
) -> Message:
    """The message that tells how the daemon is, to be retained by the broker."""
    payload: dict[str, Any] = {
        "state": state,
        "deployment": _level(deployment),
        "time": rfc3339(at),
    }
    if health is not None:
        payload |= asdict(health)
    return Message(status_topic(deployment), _json(payload), JSON)


def checkpoint_message(head: AuditHead, at: datetime, *, deployment: str) -> Message:
    """The message that tells where the audit stands, to be retained and to be kept (rule AU4)."""
    payload = {"deployment": _level(deployment), "time": rfc3339(at), **asdict(head)}
    return Message(checkpoint_topic(deployment), _json(payload), JSON)


def checkpoint_topic(deployment: str) -> str:
    """Where the checkpoints of the audit are."""
    return _topic(deployment, "audit", "checkpoint")


def status_topic(deployment: str) -> str:
    """Where the status of the daemon is."""
    return _topic(deployment, "status")


def _told(event: Event) -> dict[str, Any]:
    """What an event of no lease tells: its own short texts, without the name of its subject."""
    told = {name: text[:REASON_CHARS] for name, text in event.detail.items() if name != "about"}
    return {**told, **_asked_by(event)}


def _asked_by(event: Event) -> dict[str, Any]:
    caller = event.caller
    return {
        "caller": None if caller is None else caller.who,
        "caller_uid": None if caller is None else caller.local_uid,
    }


def _facts(lease: Lease, event: Event, wall: Callable[[int], datetime]) -> dict[str, Any]:
    def at(lease_ms: int | None) -> str | None:
        return None if lease_ms is None else rfc3339(wall(lease_ms))

    reason = event.detail.get("why") or lease.last_error
    return {
        "lease_id": lease.id,
        "state": lease.state,
        "mount": lease.mount,
        "operation": lease.operation,
        "role": lease.role,
        "engine": lease.engine,
        "engine_type": lease.engine_type,
        "identity": lease.identity,
        "owner": lease.owner,
        "tenant": lease.tenant,
        "labels": dict(lease.labels),
        "account": lease.account,
        "issued_at": at(lease.issued_ms),
        "renewed_at": at(lease.renewed_ms),
        "expires_at": at(lease.expires_ms),
        "max_expires_at": at(lease.max_expires_ms),
        "ended_at": at(lease.ended_ms),
        "ttl_s": lease.ttl_ms // 1000,
        "cause": lease.cause,
        "attempts": lease.attempts,
        "overdue": lease.overdue,
        "quarantined": lease.quarantined,
        "reason": reason[:REASON_CHARS] or None,
        **_asked_by(event),
    }


def _topic(deployment: str, *levels: str) -> str:
    return "/".join(("leasehold", *map(_level, (deployment, *levels))))


def _level(name: str) -> str:
    """One level of a topic: what MQTT gives a meaning (`/ + #` and NUL) cannot stand in it."""
    return quote(name, safe="", errors="replace")


def _json(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()
