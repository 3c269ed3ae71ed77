"""Applied bundles as the store keeps them: whole, numbered, with who applied them and from where.

The files themselves are kept (sealed, since they refer to secrets), so that the daemon starts with
the last good policy when its source cannot be read.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leasehold.leases.store import Document, LeaseStore

KIND = "generation"
KEPT = 20
"""How many are kept; older ones stand in the audit by number and digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """One applied bundle. `applied_ms` is lease time; `by` is a person, or `daemon`."""

    number: int
    digest: str
    applied_ms: int
    by: str
    origin: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[tuple[str, bytes], ...] = ()

    def document(self) -> Document:
        """This as the store keeps it."""
        value = {
            "number": self.number,
            "digest": self.digest,
            "applied_ms": self.applied_ms,
            "by": self.by,
            "origin": dict(self.origin),
            "files": [[name, base64.b64encode(data).decode()] for name, data in self.files],
        }
        return Document(KIND, _name(self.number), value)


def from_document(document: Document) -> Applied:
    """What `Applied.document` was made from."""
    value: Mapping[str, Any] = document.value or {}
    return Applied(
        number=value["number"],
        digest=value["digest"],
        applied_ms=value["applied_ms"],
        by=value["by"],
        origin=value["origin"],
        files=tuple((name, base64.b64decode(data)) for name, data in value["files"]),
    )


async def history(store: LeaseStore) -> list[Applied]:
    """The applied bundles that are kept, oldest first."""
    return [from_document(document) for document in await store.documents(KIND)]


def outdated(number: int) -> Document:
    """What takes away the generation that `number` pushes out."""
    return Document(KIND, _name(number - KEPT), None)


def _name(number: int) -> str:
    return f"{number:010d}"
