"""An operator's order to end every lease below a prefix, kept until it is done. Pure.

It binds the leases that were issued up to its instant, so that whoever asks for a new one after it
keeps it. How far it has come is not kept here: the leases themselves say that.
"""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from leasehold.leases.store import Document, Progress
from leasehold.model import Caller, Lease
from leasehold.record import caller_from, caller_values

KIND = "revocation"
_ID_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Leases whose ids begin with `prefix` end at `at_ms` (lease time).

    `caller` asked for it as the identity `by`. With `force` a lease ends even though its account
    cannot be taken away. `begun` says that every lease was told to end; `outcome` is what it came
    to, at `finished_ms`.
    """

    id: str
    prefix: str
    at_ms: int
    by: str
    caller: Caller
    force: bool = False
    begun: bool = False
    finished_ms: int | None = None
    outcome: Progress = field(default_factory=Progress)

    def covers(self, lease: Lease) -> bool:
        """Whether the lease is one that must end."""
        return lease.id.startswith(self.prefix) and lease.issued_ms <= self.at_ms

    def is_met(self, progress: Progress) -> bool:
        """Whether nothing is left to do: access has ended; by force, the leases have."""
        return (progress.gone if self.force else progress.ended) == progress.total

    def finished(self, now_ms: int, outcome: Progress) -> "Revocation":
        """This when it was met."""
        return replace(self, begun=True, finished_ms=now_ms, outcome=outcome)

    def document(self) -> Document:
        """This as the store keeps it."""
        value = {each.name: getattr(self, each.name) for each in fields(self)}
        value |= {"caller": caller_values(self.caller), "outcome": asdict(self.outcome)}
        return Document(KIND, self.id, value)

    def forgotten(self) -> Document:
        """What takes it away."""
        return Document(KIND, self.id, None)


def new_id() -> str:
    """An id for an order."""
    return secrets.token_hex(_ID_BYTES)


def from_document(document: Document) -> Revocation:
    """What `Revocation.document` was made from."""
    value: Mapping[str, Any] = document.value or {}
    caller, outcome = caller_from(value["caller"]), Progress(**value["outcome"])
    return Revocation(**{**value, "caller": caller, "outcome": outcome})
