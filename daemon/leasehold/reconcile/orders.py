"""What an apply asks of live leases, kept until it is done. Pure.

An order is written in the transaction of its generation, so that a daemon that dies in between
finishes it. It binds leases up to that generation only: later ones are of a role that came back.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from leasehold.bundle import Bundle, OnChange, OnRemoval
from leasehold.leases.store import Document
from leasehold.model import Lease

KIND = "order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Leases of one role end now, or live for `max_ttl_s` seconds at most (then not None)."""

    generation: int
    mount: str
    role: str
    operations: tuple[str, ...]
    max_ttl_s: int | None = None

    @property
    def name(self) -> str:
        """Its place in the store."""
        return f"{self.generation:010d}/{self.mount}/{self.role}"

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What the ids of the leases begin with."""
        return tuple(f"{self.mount}/{word}/{self.role}/" for word in self.operations)

    def covers(self, lease: Lease) -> bool:
        """Whether the lease, whose id begins so, was made under an older generation."""
        return lease.generation < self.generation

    def document(self) -> Document:
        """This as the store keeps it."""
        value = {
            "generation": self.generation,
            "mount": self.mount,
            "role": self.role,
            "operations": list(self.operations),
            "max_ttl_s": self.max_ttl_s,
        }
        return Document(KIND, self.name, value)

    def done(self) -> Document:
        """What takes it away."""
        return Document(KIND, self.name, None)


def from_document(document: Document) -> Order:
    """What `Order.document` was made from."""
    value: Mapping[str, Any] = document.value or {}
    return Order(**{**value, "operations": tuple(value["operations"])})


def orders(
    old: Bundle | None, new: Bundle, generation: int, operations: Mapping[str, frozenset[str]]
) -> Iterator[Order]:
    """What becoming `new`, generation `generation`, asks of the leases of `old`."""
    if old is None:
        return
    for (mount, name), role in old.roles.items():
        words = tuple(sorted(operations[old.engines[role.engine].type]))
        wanted = new.roles.get((mount, name))
        if wanted is None:
            if role.on_removal is OnRemoval.REVOKE:
                yield Order(generation=generation, mount=mount, role=name, operations=words)
        elif wanted.max_ttl_s < role.max_ttl_s and wanted.on_change is OnChange.ENFORCE:
            yield Order(
                generation=generation,
                mount=mount,
                role=name,
                operations=words,
                max_ttl_s=wanted.max_ttl_s,
            )
