"""Leases and events to write down, where only some of their fields matter."""

from typing import Any

from leasehold.model import Caller, Event, EventType, Lease, LeaseState

START_MS = 1_767_225_600_000
"""2026-01-01, as lease time of a clock that starts then."""


def a_lease(number: int = 1, **changes: Any) -> Lease:
    """A lease of an hour that was issued at START_MS."""
    fields: dict[str, Any] = {
        "id": f"database/creds/app-readonly/{number:026d}",
        "state": LeaseState.ACTIVE,
        "mount": "database",
        "operation": "creds",
        "role": "app-readonly",
        "engine": "postgres-prod",
        "engine_type": "postgresql",
        "identity": "billing-api",
        "owner": "team-payments",
        "tenant": "payments",
        "account": f"lhabcd_{number:016d}_wxyz",
        "target": "7300000000000000001",
        "recipe_id": "0123456789abcdef",
        "generation": 1,
        "issued_ms": START_MS,
        "ttl_ms": 3_600_000,
        "expires_ms": START_MS + 3_600_000,
        "max_expires_ms": START_MS + 86_400_000,
        "next_ms": START_MS + 3_600_000,
    }
    return Lease(**{**fields, **changes})


def an_event(number: int = 1, type: EventType = EventType.ISSUED, **detail: str) -> Event:
    """An event of a lease of its own, asked for by uid 1000."""
    caller = Caller(uid=1000, gid=1000, pid=4321)
    return Event.new(type, START_MS + number, a_lease(number), caller=caller, **detail)
