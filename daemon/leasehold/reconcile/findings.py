"""Findings: where the world is not as it should be, since when, and for how long that was so. Pure.

A look covers a scope and brings sightings. Held against what was known, each sighting is found,
kept or cleared; so what lasts is told once when it begins and once when it is over, by however many
looks and restarts. What no look has covered is neither confirmed nor cleared.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from leasehold.leases.store import Document

DOCUMENT = "finding"
REFRESH_MS = 3_600_000
"""How old the `last_seen_ms` in the store may get before it alone is a reason to write."""


class Kind(StrEnum):
    """The kinds of drift."""

    TARGET = "target"
    """A target, or what we may do there, is not as the served policy needs it."""
    POLICY = "policy"
    """What is served is not what the source of the policy has."""
    LEASE = "lease"
    """Accounts without a lease, or a lease without its account."""
    STORE = "store"
    """The store may be an older one that was put back, or was damaged."""


class What(StrEnum):
    """What is found."""

    UNREACHABLE = "unreachable"
    ADMIN_REFUSED = "admin-refused"
    TARGET_CHANGED = "target-changed"
    VERSION_CHANGED = "version-changed"
    RIGHT_MISSING = "right-missing"
    NOT_SERVED = "not-served"
    ORPHAN = "orphan"
    RESURRECTED = "resurrected"
    FORCED = "forced"
    WRONG_TAG = "wrong-tag"
    GHOST = "ghost"
    QUARANTINED = "quarantined"
    DAMAGED = "damaged"
    SET_BACK = "set-back"
    FILE_DAMAGED = "file-damaged"


_OF_A_LEASE = (What.GHOST, What.DAMAGED, What.SET_BACK)


@dataclass(frozen=True, slots=True)
class Scope:
    """What one look covers: of an engine, a `part`, such as the server that was met."""

    kind: Kind
    engine: str = ""
    part: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing that a look saw. `account` and `lease_id` where there are such."""

    what: What
    why: str
    account: str = ""
    lease_id: str = ""

    @property
    def key(self) -> str:
        """What tells it from others of its sort; a reason that may change is no part of that."""
        if self.what is What.RIGHT_MISSING:
            return self.why
        return self.lease_id if self.what in _OF_A_LEASE else self.account


Looked = Mapping[Scope, Sequence[Sighting]]
"""What was seen in each scope that was looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A sighting that stands. The instants are lease time."""

    scope: Scope
    sighting: Sighting
    first_seen_ms: int
    last_seen_ms: int

    @property
    def what(self) -> What:
        """What is found."""
        return self.sighting.what

    @property
    def fingerprint(self) -> str:
        """The same for the same thing, whenever and however often it is seen."""
        return _fingerprint(self.scope, self.sighting)

    @property
    def about(self) -> str:
        """What it is about, as events and people name it."""
        if self.what in _OF_A_LEASE and self.sighting.lease_id:
            return self.sighting.lease_id
        if self.scope.kind in (Kind.POLICY, Kind.STORE):
            return str(self.scope.kind)
        account = self.sighting.account
        return f"engine:{self.scope.engine}" + (f"/{account}" if account else "")

    def document(self) -> Document:
        """This as the store keeps it."""
        return Document(DOCUMENT, self.fingerprint, asdict(self))

    def cleared(self) -> Document:
        """What takes it out of the store."""
        return Document(DOCUMENT, self.fingerprint, None)

    def is_written_as(self, written: "Finding") -> bool:
        """Whether the store, which has `written`, has all of this that matters."""
        age_ms = self.last_seen_ms - written.last_seen_ms
        return age_ms < REFRESH_MS and self == replace(written, last_seen_ms=self.last_seen_ms)


def from_document(document: Document) -> Finding:
    """What `Finding.document` was made from."""
    value: Mapping[str, Any] = document.value or {}
    scope, sighting = value["scope"], value["sighting"]
    return Finding(
        scope=Scope(**{**scope, "kind": Kind(scope["kind"])}),
        sighting=Sighting(**{**sighting, "what": What(sighting["what"])}),
        first_seen_ms=value["first_seen_ms"],
        last_seen_ms=value["last_seen_ms"],
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is new, what is over, and what stands as before."""

    found: tuple[Finding, ...]
    cleared: tuple[Finding, ...]
    kept: tuple[Finding, ...]


def compare(known: Iterable[Finding], looked: Looked, now_ms: int) -> Comparison:
    """Hold what was seen now, in each scope that was looked at, against what was known."""
    before = {finding.fingerprint: finding for finding in known}
    found: list[Finding] = []
    kept: dict[str, Finding] = {}
    seen = {
        _fingerprint(scope, sighting): (scope, sighting)
        for scope, sightings in looked.items()
        for sighting in sightings
    }
    for fingerprint, (scope, sighting) in seen.items():
        old = before.get(fingerprint)
        if old is None:
            found.append(
                Finding(scope=scope, sighting=sighting, first_seen_ms=now_ms, last_seen_ms=now_ms)
            )
        else:
            kept[fingerprint] = replace(old, sighting=sighting, last_seen_ms=now_ms)
    over = [
        old
        for fingerprint, old in before.items()
        if old.scope in looked and fingerprint not in kept
    ]
    return Comparison(tuple(found), tuple(over), tuple(kept.values()))


def _fingerprint(scope: Scope, sighting: Sighting) -> str:
    place = [scope.kind, scope.engine, scope.part, sighting.what, sighting.key]
    return hashlib.sha256(json.dumps(place).encode()).hexdigest()[:32]
