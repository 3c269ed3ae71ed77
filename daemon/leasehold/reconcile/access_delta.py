"""Who gains and who loses what between two bundles. Pure."""

from collections.abc import Mapping

from leasehold.bundle import Bundle, Grant
from leasehold.policy.decide import covers
from leasehold.reconcile.changes import NO_CAP, NOT_ALLOWED, AccessChange, AccessDelta

Allowed = Mapping[tuple[str, str, str], float]
"""By identity, path and verb: the longest lease in seconds, or NO_CAP."""


def access_delta(
    old: Bundle | None, new: Bundle, operations: Mapping[str, frozenset[str]]
) -> AccessDelta:
    """What every identity may do now and could not, and the other way round.

    `operations` has the path words of every engine type.
    """
    before = {} if old is None else allowed(old, operations)
    after = allowed(new, operations)
    changes = [
        AccessChange(*key, before.get(key, NOT_ALLOWED), after.get(key, NOT_ALLOWED))
        for key in sorted(before.keys() | after.keys())
    ]
    return AccessDelta(
        gained=tuple(change for change in changes if change.after > change.before),
        lost=tuple(change for change in changes if change.after < change.before),
    )


def allowed(bundle: Bundle, operations: Mapping[str, frozenset[str]]) -> Allowed:
    """Everything that the bundle's rules allow, spelt out for each path that is served."""
    paths = served_paths(bundle, operations)
    found: dict[tuple[str, str, str], float] = {}
    for grant in bundle.grants:
        longest = NO_CAP if grant.max_ttl_s is None else float(grant.max_ttl_s)
        for path in _covered(grant, paths):
            for identity in grant.identities:
                for verb in grant.verbs:
                    key = (identity, path, verb)
                    found[key] = max(found.get(key, NOT_ALLOWED), longest)
    return found


def served_paths(bundle: Bundle, operations: Mapping[str, frozenset[str]]) -> list[str]:
    """Every path of a role, sorted."""
    return sorted(
        f"{mount}/{operation}/{name}"
        for (mount, name), role in bundle.roles.items()
        for operation in operations[bundle.engines[role.engine].type]
    )


def _covered(grant: Grant, paths: list[str]) -> set[str]:
    """The served paths that a grant covers, and what it names beside the paths of roles."""
    served = {path for path in paths if any(covers(pattern, path) for pattern in grant.paths)}
    return served | set(grant.paths)
