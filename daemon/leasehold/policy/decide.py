"""Who may do what: the one decision, default deny. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from leasehold.bundle import Grant, Identity, Role

VERBS = ("issue", "renew", "revoke", "revoke-any", "list", "operate")


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


def reaches(grants: Sequence[Grant], identities: Sequence[Identity], prefix: str) -> bool:
    """Whether any rule allows one of `identities` anything at a path that begins with `prefix`."""
    names = {identity.name for identity in identities}
    return any(
        pattern.startswith(prefix) or (pattern.endswith("*") and prefix.startswith(pattern[:-1]))
        for grant in grants
        if names.intersection(grant.identities)
        for pattern in grant.paths
    )


def longest_s(role: Role, decision: Allowed) -> int:
    """The longest a lease may live: the role's maximum, or less where the access rule says so."""
    if decision.max_ttl_s is None:
        return role.max_ttl_s
    return min(role.max_ttl_s, decision.max_ttl_s)


def _preference(decision: Allowed) -> tuple[float, str, str]:
    cap_s = float("inf") if decision.max_ttl_s is None else decision.max_ttl_s
    return -cap_s, decision.identity.name, decision.rule
