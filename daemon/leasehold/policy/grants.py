"""Access rules of a bundle: names that exist, paths that lead somewhere. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from leasehold.bundle import Effect, Grant
from leasehold.login import role_path, roles_of
from leasehold.policy import conditions, durations
from leasehold.policy.decide import STATIC_CREDS, TAKES_FIELDS, covers
from leasehold.policy.draft import Draft
from leasehold.policy.problems import nearest

OWN_PATHS = (
    "auth/token",
    "leasehold/access",
    "leasehold/apply",
    "leasehold/audit",
    "leasehold/drift",
    "leasehold/drill",
    "leasehold/drills",
    "leasehold/engines",
    "leasehold/generations",
    "leasehold/incidents",
    "leasehold/leases",
    "leasehold/metrics",
    "leasehold/orphans",
    "leasehold/plan",
    "leasehold/quarantine",
    "leasehold/quotas",
    "leasehold/rotations",
    "leasehold/seal",
    "leasehold/status",
    "leasehold/whois",
)
"""What `operate` is asked for, beside the paths of roles."""


def compile_grants(draft: Draft) -> tuple[Grant, ...]:
    """Every access rule that is not broken."""
    identities, served = draft.named("identities"), served_paths(draft)
    made = []
    for index, grant in draft.whole("access"):
        path = ("access", index)
        for number, name in enumerate(grant["identities"]):
            if name not in identities:
                known = ", ".join(sorted(identities)) or "none"
                near = nearest(name, identities)
                message = f"no identity is named {name}; identities are {known}{near}"
                draft.fault((*path, "identities", number), message)
        for number, pattern in enumerate(grant["paths"]):
            if served is not None and not any(covers(pattern, place) for place in served):
                near = nearest(pattern, served)
                draft.fault((*path, "paths", number), f"no role is at {pattern}{near}")
        for key, fault in _misplaced(grant):
            draft.fault((*path, key), fault, key=True)
        place = draft.places.of(path)
        made.append(
            Grant(
                identities=tuple(grant["identities"]),
                paths=tuple(grant["paths"]),
                verbs=frozenset(grant["verbs"]),
                max_ttl_s=durations.seconds(grant["max_ttl"]) if "max_ttl" in grant else None,
                effect=Effect(grant.get("effect", Effect.ALLOW)),
                when=conditions.window(draft, path, grant),
                require=conditions.requirements(draft, path, grant),
                source=f"{place.file}:{place.line}",
            )
        )
    return tuple(made)


def _misplaced(grant: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys that say nothing beside the others."""
    if grant.get("effect") == Effect.DENY:
        for key in ("max_ttl", "require"):
            if key in grant:
                yield key, "stands beside `effect: deny`, which takes none; remove one"
    elif "require" in grant and TAKES_FIELDS not in grant["verbs"]:
        yield "require", f"only {TAKES_FIELDS} takes fields; remove it, or add the verb"


def served_paths(draft: Draft) -> list[str] | None:
    """Every path that can be asked for; None when a role's path is in doubt for another fault."""
    engines, mounts = draft.named("engines"), draft.mounts()
    paths = [*OWN_PATHS, *_rotated_paths(draft)]
    for key in draft.named("roles"):
        engine_name, _, name = key.partition("/")
        engine = engines.get(engine_name)
        kind = draft.types.get(str(engine.get("type"))) if isinstance(engine, Mapping) else None
        if kind is None:
            return None
        paths += [f"{mounts[engine_name]}/{operation}/{name}" for operation in kind.operations]
    if any(place[:1] == ("auth",) for place in draft.broken):
        return None
    for name, method in draft.whole("auth"):
        its_roles = roles_of(draft.methods[method["type"]], method["options"])
        paths += [role_path(name, role) for role in its_roles]
    return paths


def _rotated_paths(draft: Draft) -> Iterator[str]:
    """Where passwords are rotated, and those of static roles given out."""
    for key in draft.named("static_roles"):
        engine_name, _, role = key.partition("/")
        mount = draft.mounts().get(engine_name, engine_name)
        yield from (f"{mount}/{STATIC_CREDS}/{role}", f"{mount}/rotate-role/{role}")
    for name, mount in draft.mounts().items():
        engine = draft.named("engines")[name]
        kind = draft.types.get(str(engine.get("type"))) if isinstance(engine, Mapping) else None
        if kind is not None and "root" in kind.rotates:
            yield f"{mount}/rotate-root/{name}"
