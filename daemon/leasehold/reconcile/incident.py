"""An incident: what it freezes, what becomes of its leases, who said so. Pure.

    opened ──revoke──▶ revoking ──▶ revoked
      │                   │            │
      └───────────────────┴──close─────┴──▶ closed

It freezes from the first state on until it is closed. Its leases are those that match and were
issued up to its instant; how far they have come is not kept here, since the leases say it, but what
it came to in the end is: that is the evidence.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from leasehold.leases.matching import Match
from leasehold.leases.store import Document
from leasehold.model import Caller
from leasehold.record import caller_from, caller_values

KIND = "incident"
_ID_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Opened at `at_ms` (lease time) by `caller` as the identity `by`, for `reason`.

    Its leases were told to end at `revoke_ms`, all of them if `begun`; all were gone at
    `finished_ms`. `report` is what it came to, once it is over in one way or the other.
    """

    id: str
    match: Match
    reason: str
    at_ms: int
    by: str
    caller: Caller
    revoke_ms: int | None = None
    begun: bool = False
    finished_ms: int | None = None
    closed_ms: int | None = None
    closed_by: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """In one word."""
        if self.closed_ms is not None:
            return "closed"
        if self.finished_ms is not None:
            return "revoked"
        return "opened" if self.revoke_ms is None else "revoking"

    @property
    def since_ms(self) -> int:
        """When its leases were told to end, or else when it was opened."""
        return self.at_ms if self.revoke_ms is None else self.revoke_ms

    @property
    def is_under_way(self) -> bool:
        """Whether its leases are to end and are not all gone, closed or not."""
        return self.revoke_ms is not None and self.finished_ms is None

    def revoking(self, now_ms: int) -> "Incident":
        """This when its leases are to end."""
        return replace(self, revoke_ms=now_ms)

    def finished(self, now_ms: int, report: Mapping[str, Any]) -> "Incident":
        """This when all of them are gone."""
        return replace(self, begun=True, finished_ms=now_ms, report=report)

    def closed(self, now_ms: int, by: str, report: Mapping[str, Any]) -> "Incident":
        """This when nothing is frozen any more."""
        return replace(self, closed_ms=now_ms, closed_by=by, report=self.report or report)

    def document(self) -> Document:
        """This as the store keeps it."""
        value = {
            "id": self.id,
            "match": dict(self.match.wanted),
            "reason": self.reason,
            "at_ms": self.at_ms,
            "by": self.by,
            "caller": caller_values(self.caller),
            "revoke_ms": self.revoke_ms,
            "begun": self.begun,
            "finished_ms": self.finished_ms,
            "closed_ms": self.closed_ms,
            "closed_by": self.closed_by,
            "report": dict(self.report),
        }
        return Document(KIND, self.id, value)


def new_id() -> str:
    """An id for an incident: short, since people say it to each other."""
    return secrets.token_hex(_ID_BYTES)


def from_document(document: Document) -> Incident:
    """What `Incident.document` was made from."""
    value: Mapping[str, Any] = document.value or {}
    match, caller = Match(value["match"]), caller_from(value["caller"])
    return Incident(**{**value, "match": match, "caller": caller})
