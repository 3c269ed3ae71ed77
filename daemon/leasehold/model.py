"""The values that travel between the parts of the daemon: callers, leases, events. Pure.

All are frozen; a change makes a new value. Instants are lease time in milliseconds (`…_ms`, see
`clock.py`); spans carry their unit in the name.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from leasehold.secret import Secret

NOBODY = frozenset({65_534, 4_294_967_295})
"""What the kernel shows for ids that it cannot map; nobody is matched by them (rule I2)."""


@dataclass(frozen=True, slots=True)
class TlsPeer:
    """Who is at the other end of a TLS connection (rule I5).

    `names` are what its client certificate is made out to, typed: `dns:billing.internal`,
    `uri:spiffe://…`, `email:…`; none without a certificate. `issuers` are the SHA-256 fingerprints,
    in hexadecimal, of the trusted authorities whose key signed it. `serial` and `address` are for
    records only. No text holds a comma or a blank.
    """

    names: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    serial: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: by the kernel's word at connect time (rule I2), or by a TLS handshake.

    `groups` holds the primary and all supplementary group ids. `pid`, and the id of the `request`
    that is being made, are for records only. Whoever comes by `tls` has the ids of nobody.
    """

    uid: int
    gid: int
    pid: int
    groups: frozenset[int] = frozenset()
    request: str = ""
    tls: TlsPeer | None = None

    @classmethod
    def over_tls(cls, peer: TlsPeer) -> "Caller":
        """Somebody who is not on this host, or whose uid is not told."""
        nobody = max(NOBODY)
        return cls(uid=nobody, gid=nobody, pid=0, tls=peer)

    @property
    def who(self) -> str:
        """Who it is in one text: what limits and records go by.

        For a certificate it is what `can-i --as` takes.
        """
        if self.tls is None:
            return f"unix:uid={self.uid}"
        if not self.tls.names:
            return f"tls:address={self.tls.address}"
        names = [f"san={name}" for name in sorted(self.tls.names)]
        return "tls:" + ",".join([*names, *(f"issuer={issuer}" for issuer in self.tls.issuers)])

    @property
    def is_nobody(self) -> bool:
        """Whether nothing is known that tells this caller from others."""
        return self.uid in NOBODY if self.tls is None else not self.tls.names

    @property
    def local_uid(self) -> int | None:
        """The uid as the kernel told it, None for a caller by TLS."""
        return self.uid if self.tls is None else None

    def told(self) -> dict[str, str | int]:
        """What the audit keeps of the caller."""
        if self.tls is None:
            return {"uid": self.uid, "gid": self.gid, "pid": self.pid}
        return {"who": self.who, "serial": self.tls.serial, "address": self.tls.address}


class LeaseState(StrEnum):
    """Where a lease is in its life; the table of moves stands in `leases/lifecycle.py`."""

    PENDING = "pending"
    ACTIVE = "active"
    REVOKING = "revoking"
    DISABLED = "disabled"
    REVOKED = "revoked"


class Cause(StrEnum):
    """Why a lease ended."""

    TTL = "ttl"
    HOLDER = "holder"
    OPERATOR = "operator"
    ISSUE_FAILED = "issue-failed"
    CRASH = "crash"
    UNDELIVERED = "undelivered"
    CONFIG = "config"
    DRILL = "drill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The record that an account exists at a target until an instant.

    `id` is what callers hold: `<mount>/<operation>/<role>/<26 characters>`. `expires_ms` is the
    deadline, `max_expires_ms` what no renewal passes. `next_ms` is when the daemon must look at
    the lease again (expiry, warning, next attempt), None when never. `unproven` asks for a second
    look before the account counts as gone (rule W7). `handle` is what the engine needs besides
    the account's name, without secrets; `target` names the server the account was made at.
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
    ISSUED = "issued"
    ISSUE_FAILED = "issue-failed"
    RENEWED = "renewed"
    SHORTENED = "shortened"
    EXPIRING = "expiring"
    REVOKING = "revoking"
    ATTEMPT_FAILED = "attempt-failed"
    DISABLED = "disabled"
    REVOKED = "revoked"
    EXPIRED = "expired"
    OVERDUE = "overdue"
    FORCED = "forced"
    REVOCATION_ORDERED = "revocation-ordered"
    REVOCATION_FINISHED = "revocation-finished"
    POLICY_APPLIED = "policy-applied"
    POLICY_REFUSED = "policy-refused"
    POLICY_HELD = "policy-held"
    DRIFT_FOUND = "drift-found"
    DRIFT_CLEARED = "drift-cleared"
    ORPHAN_FOUND = "orphan-found"
    ORPHAN_CLEARED = "orphan-cleared"
    ORPHAN_REMOVING = "orphan-removing"
    ORPHAN_REMOVED = "orphan-removed"
    DRILL_PASSED = "drill-passed"
    DRILL_FAILED = "drill-failed"
    CLOCK_SUSPECT = "clock-suspect"
    CLOCK_SETTLED = "clock-settled"
    STARTED = "started"
    STOPPED = "stopped"


PUBLISHED = frozenset(
    {
        EventType.ISSUED,
        EventType.RENEWED,
        EventType.SHORTENED,
        EventType.EXPIRING,
        EventType.REVOKED,
        EventType.EXPIRED,
        EventType.OVERDUE,
        EventType.FORCED,
        EventType.REVOCATION_ORDERED,
        EventType.REVOCATION_FINISHED,
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
