"""Who may do what: the one decision, default deny. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from leasehold.bundle import Grant, Identity


@dataclass(frozen=True, slots=True)
class Allowed:
    """Yes: for which identity, for how long at most (seconds), and by which rule."""

    identity: Identity
    max_ttl_s: int | None
    rule: str
    allowed: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Refused:
    """No, and why."""

    rule: str
    allowed: ClassVar[bool] = False


Decision = Allowed | Refused


def decide(
    grants: Sequence[Grant], identities: Sequence[Identity], path: str, verb: str
) -> Decision:
    """Whether one of `identities` may do `verb` at `path`.

    Of several rules that allow it, the one with the longest lease counts; among equal ones the
    identity that is first by name, so that it does not depend on the order of files.
    """
    allowed = [
        Allowed(identity, grant.max_ttl_s, grant.source)
        for grant in grants
        if verb in grant.verbs and any(covers(pattern, path) for pattern in grant.paths)
        for identity in identities
        if identity.name in grant.identities
    ]
    return min(allowed, key=_preference, default=Refused("no rule allows it"))


def covers(pattern: str, path: str) -> bool:
    """Whether a pattern, exact or with a trailing `*`, covers the path."""
    if pattern.endswith("*"):
        return path.startswith(pattern[:-1])
    return path == pattern


def _preference(decision: Allowed) -> tuple[float, str, str]:
    longest_s = float("inf") if decision.max_ttl_s is None else decision.max_ttl_s
    return -longest_s, decision.identity.name, decision.rule
