"""Who may do what: the one decision, default deny. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from leasehold.bundle import Grant, Identity


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, for whom, for how long at most (seconds), and by which rule.

    `identity` is the one that the rule names; it is set when the answer is yes.
    """

    allowed: bool
    identity: Identity | None
    max_ttl_s: int | None
    rule: str


_NO = Decision(allowed=False, identity=None, max_ttl_s=None, rule="no rule allows it")


def decide(
    grants: Sequence[Grant], identities: Sequence[Identity], path: str, verb: str
) -> Decision:
    """Whether one of `identities` may do `verb` at `path`.

    Of several rules that allow it, the one with the longest lease counts.
    """
    allowed = [
        Decision(allowed=True, identity=identity, max_ttl_s=grant.max_ttl_s, rule=grant.source)
        for grant in grants
        if verb in grant.verbs and any(covers(pattern, path) for pattern in grant.paths)
        for identity in identities
        if identity.name in grant.identities
    ]
    return max(allowed, key=_longest, default=_NO)


def covers(pattern: str, path: str) -> bool:
    """Whether a pattern, exact or with a trailing `*`, covers the path."""
    if pattern.endswith("*"):
        return path.startswith(pattern[:-1])
    return path == pattern


def _longest(decision: Decision) -> float:
    return float("inf") if decision.max_ttl_s is None else decision.max_ttl_s
