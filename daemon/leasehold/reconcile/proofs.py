"""Which roles must be proved before they are served, and what is remembered of a proof. Pure.

A proof belongs to what makes and takes away accounts: the engine's type and connection (without its
secrets), the role's own options, its password policy and its username template. Spans, limits and
names do not matter, so changing them asks for no new proof.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from leasehold.bundle import Bundle, EngineConfig, Reference, Role
from leasehold.leases.store import Document

KIND = "rehearsal"
HOLDS_MS = 30 * 86_400_000
"""How long a proof is remembered. A role that does not change is served on without a new one."""
_NAME_CHARS = 32

Place = tuple[str, str]
"""The mount and the name of a role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How the last proof under `name` went, at which target and when (lease time).

    `message` says what was wrong, or what a good proof could not show.
    """

    name: str
    target: str
    at_ms: int
    passed: bool
    ms: int
    message: str

    def document(self) -> Document:
        """This as the store keeps it."""
        value = asdict(self)
        del value["name"]
        return Document(KIND, self.name, value)

    def holds(self, now_ms: int, target: str | None = None) -> bool:
        """Whether nothing has to be proved again at `target`, where that is known."""
        return self.passed and not self.is_old(now_ms) and target in (None, self.target)

    def is_old(self, now_ms: int) -> bool:
        """Whether it is forgotten."""
        return now_ms - self.at_ms >= HOLDS_MS

    def forgotten(self) -> Document:
        """What takes it away."""
        return Document(KIND, self.name, None)


def from_document(document: Document) -> Proof:
    """What `Proof.document` was made from."""
    return Proof(name=document.name, **(document.value or {}))


def proof_name(role: Role, engine: EngineConfig) -> str:
    """A digest of all that a proof of `role` depends on, but for the target itself."""
    text = json.dumps(_parts(role, engine), sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:_NAME_CHARS]


def to_prove(old: Bundle | None, new: Bundle) -> Iterator[tuple[Place, Role]]:
    """The roles of `new` that are not made as a role of `old` at the same place is."""
    before = {} if old is None else {place: _parts_in(old, place) for place in old.roles}
    for place, role in new.roles.items():
        if before.get(place) != _parts_in(new, place):
            yield place, role


def _parts_in(bundle: Bundle, place: Place) -> list[Any]:
    role = bundle.roles[place]
    return _parts(role, bundle.engines[role.engine])


def _parts(role: Role, engine: EngineConfig) -> list[Any]:
    policy = role.password_policy
    return [
        engine.type,
        dict(engine.connection),
        dict(role.options),
        [policy.length, dict(policy.required), policy.allowed_symbols],
        role.username_template,
    ]


def _plain(value: object) -> object:
    if isinstance(value, Reference):
        return {"reference": [value.scheme, value.target]}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no place for {type(value).__name__} in a role")
