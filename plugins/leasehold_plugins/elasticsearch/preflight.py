"""What is lacking on the cluster, found before the first account is made, with what to run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from leasehold.plugin import Health
from leasehold_plugins.elasticsearch.cluster import Cluster, Flavour, Seen, Session
from leasehold_plugins.elasticsearch.errors import Away
from leasehold_plugins.elasticsearch.internal_users import API
from leasehold_plugins.elasticsearch.recipes import (
    EXAMPLE,
    ApiKey,
    makes_keys,
    makes_users,
    recipe,
    wanted_roles,
)
from leasehold_plugins.elasticsearch.rights import API_ACCESS, KEYS, MONITOR, USERS, put_role
from leasehold_plugins.elasticsearch.wire import Lane

OLDEST = (8, 13)
"""The first Elasticsearch that moves the expiry of an API key."""
OLDEST_OPENSEARCH = (2, 0)
_METHODS = {"INTERNALUSERS": ("GET", "PUT", "PATCH", "DELETE"), "CACHE": ("DELETE",)}


async def preflight(cluster: Cluster, roles: Sequence[Mapping[str, Any]]) -> Health:
    """Look at every node, and at the rights that these roles need. Raises EngineError."""
    found = await cluster.look()
    away = [one.reason for one in found if isinstance(one, Away)]
    seen = [one for one in found if isinstance(one, Seen)]
    missing = [line for one in seen for line in _too_old(one)]
    if roles:
        session = await cluster.session(Lane.ISSUING)
        look = _opensearch if cluster.flavour is Flavour.OPENSEARCH else _elasticsearch
        missing += await look(session, roles)
    reason = "; ".join(away) or ("rights or settings are missing" if missing else "")
    named = "OpenSearch " if cluster.flavour is Flavour.OPENSEARCH else ""
    return Health(
        ok=not reason,
        reason=reason,
        missing=tuple(dict.fromkeys(missing)),
        version=", ".join(sorted({named + one.version for one in seen})),
    )


def _too_old(seen: Seen) -> Iterator[str]:
    oldest = OLDEST_OPENSEARCH if seen.flavour is Flavour.OPENSEARCH else OLDEST
    numbers = seen.version.split(".")[:2]
    if all(number.isdigit() for number in numbers) and (*map(int, numbers),) < oldest:
        yield (
            f"{seen.version} at {seen.address} is older than {oldest[0]}.{oldest[1]}, the oldest"
            " that is supported"
        )


async def _elasticsearch(session: Session, roles: Sequence[Mapping[str, Any]]) -> list[str]:
    keys = [made for role in roles if isinstance(made := recipe(role, EXAMPLE), ApiKey)]
    wanted = {MONITOR}
    wanted.update(USERS if any(map(makes_users, roles)) else ())
    wanted.update(KEYS if keys else ())
    missing: list[str] = []
    if keys:
        who = (await session.ask("GET", "/_security/_authenticate")).data
        if who.get("authentication_type") == "api_key":
            missing.append(
                "connection.api_key: an API key cannot make API keys that have rights; write"
                " username and password instead"
            )
    asked = {"cluster": sorted(wanted)}
    answer = (await session.ask("POST", "/_security/user/_has_privileges", asked)).data
    missing += [
        f"lacks the cluster privilege {name}: {put_role(wanted)}"
        for name in sorted(wanted)
        if not answer["cluster"].get(name)
    ]
    for made in keys:
        missing += await _beyond(session, made)
    # Who may not see roles was told so above.
    reply = await session.attempt("GET", "/_security/role")
    if reply.status == 200:
        missing += [
            f"role {name} is missing (those of a roles.yml are not seen):"
            f" PUT /_security/role/{name} {{…}}"
            for name in sorted({*wanted_roles(roles)} - reply.data.keys())
        ]
    return missing


async def _beyond(session: Session, made: ApiKey) -> list[str]:
    """What a key would be given that its maker has not; the server leaves that out silently."""
    beyond: dict[str, None] = {}
    for descriptor in made.descriptors.values():
        asked = _asked(descriptor)
        if not asked:
            continue
        answer = (await session.ask("POST", "/_security/user/_has_privileges", asked)).data
        for name, has in answer.get("cluster", {}).items():
            if not has:
                beyond[f"cluster privilege {name}"] = None
        for index, privileges in answer.get("index", {}).items():
            lacking = sorted(name for name, has in privileges.items() if not has)
            if lacking:
                beyond[f"{', '.join(lacking)} on {index}"] = None
        for application, resources in answer.get("application", {}).items():
            for resource, privileges in resources.items():
                lacking = sorted(name for name, has in privileges.items() if not has)
                if lacking:
                    beyond[f"{', '.join(lacking)} of {application} on {resource}"] = None
    return [
        f"role_descriptors: API keys would be without {what}, since the administrator has not got"
        " it; give it to a role of the administrator's"
        for what in beyond
    ]


def _asked(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    """A descriptor as the question whether one has what it gives."""
    asked: dict[str, Any] = {}
    if cluster := descriptor.get("cluster"):
        asked["cluster"] = cluster
    if indices := descriptor.get("indices", descriptor.get("index")):
        asked["index"] = [
            {
                key: part[key]
                for key in ("names", "privileges", "allow_restricted_indices")
                if key in part
            }
            for part in indices
        ]
    if applications := descriptor.get("applications"):
        asked["application"] = applications
    return asked


async def _opensearch(session: Session, roles: Sequence[Mapping[str, Any]]) -> list[str]:
    missing: list[str] = []
    if any(map(makes_keys, roles)):
        missing.append("role_descriptors: OpenSearch has no API keys; write roles")
    about = (await session.ask("GET", f"{API}/permissionsinfo")).data
    if not about.get("has_api_access"):
        return [*missing, f"may not use the interface for security: {API_ACCESS}"]
    disabled = about.get("disabled_endpoints", {})
    for endpoint, methods in _METHODS.items():
        closed = sorted({*methods} & {*disabled.get(endpoint, ())})
        if closed:
            missing.append(
                f"may not {', '.join(closed)} at {endpoint}: take that out of"
                " plugins.security.restapi.endpoints_disabled in opensearch.yml"
            )
    known = (await session.ask("GET", f"{API}/roles")).data
    users = [role for role in roles if makes_users(role)]
    for name in sorted({*wanted_roles(users)} - known.keys()):
        example = json.dumps({"cluster_permissions": [], "index_permissions": []})
        missing.append(f"role {name} is missing: PUT {API}/roles/{name} {example}")
    return missing
