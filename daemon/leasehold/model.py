"""The values that travel between the parts of the daemon: callers, leases, events. Pure.

All are frozen; a change makes a new value. Instants are lease time in milliseconds (`…_ms`, see
`clock.py`); spans carry their unit in the name.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from leasehold.caller import NOBODY as NOBODY
from leasehold.caller import TOKEN_HOLDER as TOKEN_HOLDER
from leasehold.caller import Caller as Caller
from leasehold.caller import Line as Line
from leasehold.caller import Login as Login
from leasehold.caller import PeerSocket as PeerSocket
from leasehold.caller import Process as Process
from leasehold.caller import TlsPeer as TlsPeer
from leasehold.causes import Cause as Cause
from leasehold.secret import Secret


class LeaseState(StrEnum):
    """Where a lease is in its life; the table of moves stands in `leases/lifecycle.py`."""

    PENDING = "pending"
    ACTIVE = "active"
    REVOKING = "revoking"
    DISABLED = "disabled"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The record that an account exists at a target until an instant.

    `id` is what callers hold: `<mount>/<operation>/<role>/<26 characters>`. `expires_ms` is the
    deadline, `max_expires_ms` what no renewal passes. `next_ms` is when the daemon must look at
    the lease again (expiry, warning, next attempt), None when never. `unproven` asks for a second
    look before the account counts as gone (rule W7). `handle` is what the engine needs besides
    the account's name, without secrets; `target` names the server the account was made at. When
    `holder` ends the lease does: `token:<accessor>`, what `identity/holder.py` names, or empty for
    nothing. `labels` are the texts that it was asked for with, such as the reason. `replaces` and
    `replaced_by` are the ids of the leases before and after it, where there are such.
    """

    id: str
    state: LeaseState
    version: int = 0
    mount: str
    operation: str
    role: str
    engine: str
    engine_type: str
    identity: str
    owner: str
    tenant: str
    account: str
    target: str
    recipe_id: str
    generation: int
    issued_ms: int
    ttl_ms: int
    expires_ms: int
    max_expires_ms: int
    next_ms: int | None
    renewed_ms: int | None = None
    ended_ms: int | None = None
    cause: Cause | None = None
    attempts: int = 0
    last_error: str = ""
    warned: bool = False
    overdue: bool = False
    quarantined: bool = False
    unproven: bool = False
    holder: str = ""
    replaces: str = ""
    replaced_by: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    handle: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """`<mount>/<operation>/<role>`: what was asked for."""
        return f"{self.mount}/{self.operation}/{self.role}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that is needed to take an account away, frozen when it was issued (rule W15).

    `connection` and `role` are the engine's own options; `connection` holds `Secret` values. The
    store keeps a recipe encrypted, once for all leases that share it, and drops it with the last.
    """

    id: str
    engine: str
    engine_type: str
    connection: Mapping[str, Any]
    role: Mapping[str, Any]


class EventType(StrEnum):
    """What happened. The ones in `PUBLISHED` go to subscribers, all go to the audit.

    What happens to something else than a lease is named `<family>-<event>`.
    """

    DENIED = "denied"
    NO_EFFECT = "no-effect"
    INTENDED = "intended"
    READY = "ready"
    WARMED = "warmed"
    ISSUED = "issued"
    DELIVERED = "delivered"
    ISSUE_FAILED = "issue-failed"
    RENEWED = "renewed"
    SHARED = "shared"
    SHORTENED = "shortened"
    REPLACED = "replaced"
    ACKNOWLEDGED = "acknowledged"
    TARGET_BEHIND = "target-behind"
    EXPIRING = "expiring"
    REVOKING = "revoking"
    ATTEMPT_FAILED = "attempt-failed"
    DISABLED = "disabled"
    REVOKED = "revoked"
    EXPIRED = "expired"
    OVERDUE = "overdue"
    FORCED = "forced"
    ADOPTED = "adopted"
    REVOCATION_ORDERED = "revocation-ordered"
    REVOCATION_FINISHED = "revocation-finished"
    INCIDENT_OPENED = "incident-opened"
    INCIDENT_REVOKING = "incident-revoking"
    INCIDENT_REVOKED = "incident-revoked"
    INCIDENT_CLOSED = "incident-closed"
    POLICY_APPLIED = "policy-applied"
    POLICY_REFUSED = "policy-refused"
    POLICY_HELD = "policy-held"
    DRIFT_FOUND = "drift-found"
    DRIFT_CLEARED = "drift-cleared"
    ORPHAN_FOUND = "orphan-found"
    ORPHAN_CLEARED = "orphan-cleared"
    ORPHAN_REMOVING = "orphan-removing"
    ORPHAN_REMOVED = "orphan-removed"
    ORPHAN_LEFT = "orphan-left"
    DRILL_PASSED = "drill-passed"
    DRILL_FAILED = "drill-failed"
    ROTATION_INTENDED = "rotation-intended"
    ROTATION_FAILED = "rotation-failed"
    ROOT_ROTATED = "root-rotated"
    ROOT_RESET = "root-reset"
    STATIC_ROTATED = "static-rotated"
    STATIC_RETIRED = "static-retired"
    STATIC_READ = "static-read"
    STATIC_ACKNOWLEDGED = "static-acknowledged"
    TOKEN_ISSUED = "token-issued"
    TOKEN_RENEWED = "token-renewed"
    TOKEN_REVOKED = "token-revoked"
    TOKEN_EXPIRED = "token-expired"
    SECRET_ID_ISSUED = "secretid-issued"
    SECRET_ID_USED = "secretid-used"
    SECRET_ID_REVOKED = "secretid-revoked"
    SECRET_ID_EXPIRED = "secretid-expired"
    RESPONSE_WRAPPED = "response-wrapped"
    RESPONSE_UNWRAPPED = "response-unwrapped"
    RESPONSE_LOST = "response-lost"
    QUOTA_REACHED = "quota-reached"
    CEILING_NEAR = "ceiling-near"
    CLOCK_SUSPECT = "clock-suspect"
    CLOCK_SETTLED = "clock-settled"
    PAUSED = "paused"
    QUARANTINE_BEGUN = "quarantine-begun"
    QUARANTINE_RELEASING = "quarantine-releasing"
    QUARANTINE_RELEASED = "quarantine-released"
    DAEMON_SEALED = "daemon-sealed"
    DAEMON_UNSEALED = "daemon-unsealed"
    STARTED = "started"
    STOPPED = "stopped"


PUBLISHED = frozenset(
    {
        EventType.READY,
        EventType.ISSUED,
        EventType.RENEWED,
        EventType.SHARED,
        EventType.SHORTENED,
        EventType.REPLACED,
        EventType.ACKNOWLEDGED,
        EventType.EXPIRING,
        EventType.REVOKED,
        EventType.EXPIRED,
        EventType.OVERDUE,
        EventType.FORCED,
        EventType.ADOPTED,
        EventType.REVOCATION_ORDERED,
        EventType.REVOCATION_FINISHED,
        EventType.INCIDENT_OPENED,
        EventType.INCIDENT_REVOKED,
        EventType.INCIDENT_CLOSED,
        EventType.POLICY_APPLIED,
        EventType.POLICY_REFUSED,
        EventType.POLICY_HELD,
        EventType.DRIFT_FOUND,
        EventType.DRIFT_CLEARED,
        EventType.ORPHAN_FOUND,
        EventType.ORPHAN_CLEARED,
        EventType.ORPHAN_REMOVED,
        EventType.DRILL_PASSED,
        EventType.DRILL_FAILED,
        EventType.ROTATION_FAILED,
        EventType.ROOT_ROTATED,
        EventType.ROOT_RESET,
        EventType.STATIC_ROTATED,
        EventType.STATIC_RETIRED,
        EventType.STATIC_ACKNOWLEDGED,
        EventType.TOKEN_ISSUED,
        EventType.TOKEN_RENEWED,
        EventType.TOKEN_REVOKED,
        EventType.TOKEN_EXPIRED,
        EventType.SECRET_ID_ISSUED,
        EventType.SECRET_ID_REVOKED,
        EventType.SECRET_ID_EXPIRED,
        EventType.RESPONSE_WRAPPED,
        EventType.RESPONSE_UNWRAPPED,
        EventType.RESPONSE_LOST,
        EventType.QUOTA_REACHED,
        EventType.CEILING_NEAR,
        EventType.QUARANTINE_BEGUN,
        EventType.QUARANTINE_RELEASED,
        EventType.DAEMON_SEALED,
        EventType.DAEMON_UNSEALED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, for the audit and perhaps for subscribers. Holds no secret.

    `id` is unique and stays the same on redelivery. `at_ms` is lease time. `lease` is the lease as
    it stands after the change, None for events of the daemon itself. `caller` is who asked, None
    for what the daemon did by itself. `detail` has short texts only; without a lease its `about`
    names the thing, such as `engine:main` or `database/creds/reader`.
    """

    id: str
    type: EventType
    at_ms: int
    lease: Lease | None = None
    caller: Caller | None = None
    detail: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def new(
        cls,
        type: EventType,
        at_ms: int,
        lease: Lease | None = None,
        *,
        caller: Caller | None = None,
        **detail: str,
    ) -> "Event":
        """An event with an id of its own; empty texts are left out of `detail`.

        What a caller's request did bears the id of that request.
        """
        told = {name: text for name, text in detail.items() if text}
        if caller is not None and caller.request:
            told["request"] = caller.request
        return cls(
            id=uuid.uuid4().hex, type=type, at_ms=at_ms, lease=lease, caller=caller, detail=told
        )


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The last line of the audit: its sequence number and its MAC in hexadecimal."""

    seq: int
    mac: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What the caller gets, once; it is never stored nor logged.

    `fields` are given as they are (`username`), or as secrets (`password`).
    """

    fields: Mapping[str, str | Secret]
