"""Who gains and who loses what between two bundles. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from leasehold.bundle import Bundle, Effect, Grant
from leasehold.policy.decide import STATIC_CREDS, covers, requirements
from leasehold.reconcile.changes import NO_CAP, NOT_ALLOWED, AccessChange, AccessDelta


@dataclass(frozen=True, slots=True)
class Right:
    """A lease of so many seconds at most, or NO_CAP, under conditions in words."""

    longest: float
    conditions: frozenset[str] = frozenset()

    def includes(self, other: "Right") -> bool:
        """Whether whoever has this one has the other too."""
        return self.longest >= other.longest and self.conditions <= other.conditions


Rights = Mapping[tuple[str, str, str], frozenset[Right]]
"""By identity, path and verb."""
_NONE: frozenset[Right] = frozenset()


def access_delta(
    old: Bundle | None, new: Bundle, operations: Mapping[str, frozenset[str]]
) -> AccessDelta:
    """What every identity may do now and could not, and the other way round.

    `operations` has the path words of every engine type. A right under another condition is gained
    and lost, since which of the two is the wider one is not known.
    """
    bundles = [new] if old is None else [old, new]
    served = {path for bundle in bundles for path in served_paths(bundle, operations)}
    named = {path for bundle in bundles for grant in bundle.grants for path in grant.paths}
    # What a rule names counts in both bundles, and the path of a role only where there is the role.
    before = {} if old is None else rights(old, {*served_paths(old, operations), *(named - served)})
    after = rights(new, {*served_paths(new, operations), *(named - served)})
    gained, lost = [], []
    for key in sorted(before.keys() | after.keys()):
        had, has = before.get(key, _NONE), after.get(key, _NONE)
        change = AccessChange(*key, *_most(had), *_most(has))
        if not _include(had, has):
            gained.append(change)
        if not _include(has, had):
            lost.append(change)
    return AccessDelta(gained=tuple(gained), lost=tuple(lost))


def rights(bundle: Bundle, paths: Collection[str]) -> Rights:
    """Everything that the bundle's rules allow at the paths, spelt out."""
    found: dict[tuple[str, str, str], set[Right]] = {}
    for grant in bundle.grants:
        if grant.effect is Effect.DENY:
            continue
        for path in _covered(grant, paths):
            for identity in grant.identities:
                for verb in grant.verbs:
                    right = _right(bundle, grant, identity, path, verb)
                    if right is not None:
                        found.setdefault((identity, path, verb), set()).add(right)
    return {key: frozenset(each) for key, each in found.items()}


def served_paths(bundle: Bundle, operations: Mapping[str, frozenset[str]]) -> list[str]:
    """Every path of a role, of a static one, and of one of a login method, sorted."""
    issuing = [
        f"{mount}/{operation}/{name}"
        for (mount, name), role in bundle.roles.items()
        for operation in operations[bundle.engines[role.engine].type]
    ]
    static = [f"{mount}/{STATIC_CREDS}/{name}" for mount, name in bundle.static_roles]
    methods = [path for method in bundle.auth.values() for path in method.paths]
    return sorted([*issuing, *static, *methods])


def _right(bundle: Bundle, grant: Grant, identity: str, path: str, verb: str) -> Right | None:
    """What a rule gives, None where another one denies it at all hours."""
    conditions = {str(each) for each in requirements(bundle, grant, path, verb)}
    if grant.when is not None:
        conditions.add(str(grant.when))
    for denying in bundle.grants:
        if (
            denying.effect is Effect.DENY
            and verb in denying.verbs
            and identity in denying.identities
            and any(covers(pattern, path) for pattern in denying.paths)
        ):
            if denying.when is None:
                return None
            conditions.add(f"not {denying.when}")
    longest = NO_CAP if grant.max_ttl_s is None else float(grant.max_ttl_s)
    return Right(longest, frozenset(conditions))


def _include(some: frozenset[Right], others: frozenset[Right]) -> bool:
    return all(any(each.includes(other) for each in some) for other in others)


def _most(found: frozenset[Right]) -> tuple[float, tuple[str, ...]]:
    """The longest lease, and what that takes; of several ways the one that takes least."""
    if not found:
        return NOT_ALLOWED, ()
    best = min(found, key=lambda it: (-it.longest, len(it.conditions), sorted(it.conditions)))
    return best.longest, tuple(sorted(best.conditions))


def _covered(grant: Grant, paths: Collection[str]) -> list[str]:
    return [path for path in paths if any(covers(pattern, path) for pattern in grant.paths)]
