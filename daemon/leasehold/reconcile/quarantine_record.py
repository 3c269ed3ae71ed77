"""A quarantine as the store keeps it: since when, why, how far it has come. Pure.

It is `held` until somebody has it released, then `releasing` until all is done, then `released`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from leasehold.leases.store import Document

KIND = NAME = "quarantine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Begun at `at_ms` (lease time), because of `why`.

    What the audit has behind line `known` is what the store does not know; `complete` says that
    this is all that happened since. An operator, `by`, had it released, and with `adopt_doubtful`
    gave what is in doubt another term; `report` is what that came to at `released_ms`.
    """

    at_ms: int
    why: str
    known: int
    complete: bool
    by: str = ""
    adopt_doubtful: bool = False
    released_ms: int | None = None
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """In one word."""
        if self.released_ms is not None:
            return "released"
        return "releasing" if self.by else "held"

    def releasing(self, by: str, *, adopt_doubtful: bool) -> "Record":
        """This when somebody has had it released."""
        return replace(self, by=by, adopt_doubtful=adopt_doubtful)

    def released(self, now_ms: int, report: Mapping[str, Any]) -> "Record":
        """This when all is done."""
        return replace(self, released_ms=now_ms, report=report)

    def document(self) -> Document:
        """This as the store keeps it."""
        return Document(KIND, NAME, asdict(self))


def from_document(document: Document | None) -> Record | None:
    """What `Record.document` was made from; None for nothing."""
    return Record(**document.value) if document is not None and document.value else None
