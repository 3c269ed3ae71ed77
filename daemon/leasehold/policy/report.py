"""What `leasehold validate` tells, as plain data. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from leasehold.bundle import Bundle, EngineType
from leasehold.policy.limits import Limits
from leasehold.policy.load import Loaded
from leasehold.policy.problems import Problem


def report(loaded: Loaded, types: Mapping[str, EngineType]) -> dict[str, Any]:
    """What is wrong; and of a valid policy how much it has, and which limits hold for each role.

    TTLs are whole seconds, `max_leases` is None for no limit, `…_from` says who said so.
    """
    bundle = loaded.bundle
    return {
        "valid": bundle is not None,
        "problems": [_problem(problem) for problem in loaded.problems],
        "warnings": [_problem(warning) for warning in loaded.warnings],
        "counts": {} if bundle is None else _counts(bundle),
        "tokens": {} if bundle is None else _tokens(bundle),
        "roles": [] if bundle is None else sorted(_roles(bundle, loaded.limits, types), key=_path),
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "path": problem.path,
        "message": problem.message,
    }


def _counts(bundle: Bundle) -> dict[str, int]:
    return {
        "engines": len(bundle.engines),
        "roles": len(bundle.roles),
        "identities": len(bundle.identities),
        "access": len(bundle.grants),
        "static_roles": len(bundle.static_roles),
        "auth": len(bundle.auth),
        "tests": len(bundle.tests),
    }


def _tokens(bundle: Bundle) -> dict[str, int]:
    limits = bundle.tokens
    return {"default_ttl": limits.default_ttl_s, "max_ttl": limits.max_ttl_s}


def _roles(
    bundle: Bundle, limits: Mapping[tuple[str, str], Limits], types: Mapping[str, EngineType]
) -> Iterator[dict[str, Any]]:
    for (mount, name), role in bundle.roles.items():
        holds = limits[mount, name]
        for operation in sorted(types[bundle.engines[role.engine].type].operations):
            yield {
                "path": f"{mount}/{operation}/{name}",
                "engine": role.engine,
                "default_ttl": holds.default_ttl_s,
                "default_ttl_from": holds.said_by["default_ttl"],
                "max_ttl": holds.max_ttl_s,
                "max_ttl_from": holds.said_by["max_ttl"],
                "max_leases": holds.max_leases,
                "max_leases_from": holds.said_by["max_leases"],
            }


def _path(role: Mapping[str, Any]) -> str:
    path: str = role["path"]
    return path
