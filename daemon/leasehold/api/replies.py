"""What handlers answer, in the shapes that Vault's clients read. Pure.

Numbers of seconds are whole numbers, since Go clients refuse `3600.0`.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leasehold.clock import Clock, rfc3339
from leasehold.engines.registry import EngineStatus
from leasehold.inspection import Status
from leasehold.issuance import IssuedLease
from leasehold.model import Lease, LeaseState


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply; without a body it is empty. `enveloped` bodies get Vault's envelope around them.

    A caller may have asked for another status than `status`, which is what the metrics count.
    What is no JSON is `raw`, of type `content_type`, and then there is no body.
    `undelivered` is awaited when the caller cannot be given the reply (rule W8), each of
    `delivered` when it has been. `secret_id` is the accessor of one that it hands over.
    """

    status: int = 200
    body: Mapping[str, Any] | None = None
    enveloped: bool = True
    warnings: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    content_type: str = "application/json"
    undelivered: Callable[[], Coroutine[Any, Any, None]] | None = None
    delivered: Sequence[Callable[[], Coroutine[Any, Any, Any]]] = ()
    secret_id: str = ""
    asked_status: int | None = None

    @property
    def sent_status(self) -> int:
        """The status that is sent."""
        return self.asked_status or self.status


def envelope(request_id: str, body: Mapping[str, Any], warnings: Sequence[str]) -> dict[str, Any]:
    """The object that every Vault reply with a body is."""
    return {
        "request_id": request_id,
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": None,
        "wrap_info": None,
        "warnings": list(warnings) or None,
        "auth": None,
        **body,
    }


def doubled(data: Mapping[str, Any]) -> dict[str, Any]:
    """A body whose data stands at its top as well, where old clients of `sys/` read it."""
    fixed = envelope("", {}, ())
    return {**{key: value for key, value in data.items() if key not in fixed}, "data": data}


def handed_out(issued: IssuedLease, clock: Clock, told: Mapping[str, Any]) -> dict[str, Any]:
    """What the role adds to Vault's reply to an issue, as a part of its own, beside what is `told`.

    Often nothing.
    """
    own: dict[str, Any] = {**told}
    if issued.ready_ms is not None:
        own["ready_at"] = rfc3339(clock.wall(issued.ready_ms))
    if issued.succession is not None:
        own["overlap"] = issued.succession.overlap_s
        own["grace"] = issued.succession.grace_s
    return {"leasehold": own} if own else {}


def lookup(lease: Lease, clock: Clock, *, renewable: bool) -> dict[str, Any]:
    """A lease as `sys/leases/lookup` shows it; `renewable` says whether its engine type is."""
    return {
        "id": lease.id,
        "path": lease.path,
        "issue_time": rfc3339(clock.wall(lease.issued_ms)),
        "expire_time": rfc3339(clock.wall(lease.expires_ms)),
        "last_renewal": rfc3339(clock.wall(lease.renewed_ms)) if lease.renewed_ms else None,
        "renewable": renewable and lease.state is LeaseState.ACTIVE,
        "ttl": _left_s(lease, clock),
        "identity": lease.identity,
        "owner": lease.owner,
        "tenant": lease.tenant,
        "labels": dict(lease.labels),
    }


def listed(lease: Lease, clock: Clock) -> dict[str, Any]:
    """A lease as a list of leases shows it: all that is not secret."""
    return {
        "lease_id": lease.id,
        "state": lease.state,
        "path": lease.path,
        "engine": lease.engine,
        "identity": lease.identity,
        "owner": lease.owner,
        "tenant": lease.tenant,
        "labels": dict(lease.labels),
        "account": lease.account,
        "issue_time": rfc3339(clock.wall(lease.issued_ms)),
        "expire_time": rfc3339(clock.wall(lease.expires_ms)),
        "max_expire_time": rfc3339(clock.wall(lease.max_expires_ms)),
        "end_time": rfc3339(clock.wall(lease.ended_ms)) if lease.ended_ms else None,
        "ttl": _left_s(lease, clock),
        "cause": lease.cause,
        "attempts": lease.attempts,
        "last_error": lease.last_error,
        "overdue": lease.overdue,
        "quarantined": lease.quarantined,
    }


def status(found: Status, version: str) -> dict[str, Any]:
    """How the daemon fares, what is overdue first."""
    counts = found.counts
    return {
        "overdue": counts.overdue,
        "quarantined": counts.quarantined,
        "damaged": counts.damaged,
        "leases": {state.value: counts.by_state.get(state, 0) for state in LeaseState},
        "generation": found.generation,
        "policy_digest": found.policy_digest,
        "events_waiting": found.events_waiting,
        "clock_suspect": found.clock_suspect,
        "quarantine": found.quarantine or None,
        "degraded": list(found.degraded),
        "version": version,
        "deployment": found.deployment,
    }


def engine(found: EngineStatus) -> dict[str, Any]:
    """An engine and how it fares."""
    return {
        "name": found.name,
        "type": found.type,
        "mount": found.mount,
        "state": found.state,
        "reason": found.reason,
        "missing": list(found.missing),
        "version": found.version,
        "operations": list(found.operations),
        "revocability": found.revocability,
        "rehearsal": found.rehearses,
    }


def _left_s(lease: Lease, clock: Clock) -> int:
    """Seconds until the deadline, rounded to the nearest; negative when it has passed."""
    return round((lease.expires_ms - clock.now_ms()) / 1000)
