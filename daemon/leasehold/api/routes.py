"""The whole surface on one page: which method at which path is served by what.

Paths are matched exactly and as they were sent: nothing is decoded or normalised (rule H4), since
no name of ours needs it. Pure.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from leasehold.api.access import AccessHandlers
from leasehold.api.body import BODY_BYTES, BUNDLE_BYTES
from leasehold.api.drift import DriftHandlers
from leasehold.api.drills import DrillHandlers
from leasehold.api.handlers import Ask, Handlers
from leasehold.api.metrics import MetricsHandlers
from leasehold.api.policy import PolicyHandlers
from leasehold.api.replies import Reply
from leasehold.policy.compile import RESERVED_MOUNTS

PREFIX = "/v1/"
GET = frozenset({"GET"})
LIST = frozenset({"LIST"})
WRITE = frozenset({"PUT", "POST"})
HEALTH = frozenset({"GET", "HEAD"})

Handler = Callable[[Ask], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """A path with `{names}` for one part and `{names…}` for the rest, and who serves it."""

    path: str
    methods: frozenset[str]
    pattern: re.Pattern[str]
    handler: Handler
    body_bytes: int = BODY_BYTES


def routes(
    serve: Handlers,
    policy: PolicyHandlers,
    access: AccessHandlers,
    drills: DrillHandlers,
    drift: DriftHandlers,
    metrics: MetricsHandlers,
) -> tuple[Route, ...]:
    """The table, first match first."""
    return (
        _route(HEALTH, "sys/health", serve.health),
        _route(WRITE, "sys/leases/lookup", serve.lookup),
        _route(LIST, "sys/leases/lookup/", serve.list_below),
        _route(LIST, "sys/leases/lookup/{prefix…}", serve.list_below),
        _route(WRITE, "sys/leases/renew", serve.renew),
        _route(WRITE, "sys/leases/renew/{lease_id…}", serve.renew),
        _route(WRITE, "sys/leases/revoke", serve.revoke),
        _route(WRITE, "sys/leases/revoke/{lease_id…}", serve.revoke),
        _route(GET, "sys/metrics", metrics.metrics),
        _route(GET, "leasehold/status", serve.status),
        _route(GET, "leasehold/engines", serve.engines),
        _route(GET, "leasehold/leases", serve.leases),
        _route(GET | WRITE, "leasehold/plan", policy.plan, BUNDLE_BYTES),
        _route(WRITE, "leasehold/apply", policy.apply),
        _route(GET, "leasehold/generations", policy.generations),
        _route(WRITE, "leasehold/can-i", access.can_i),
        _route(GET, "leasehold/who-can", access.who_can),
        _route(GET, "leasehold/explain/{request_id}", access.explain),
        _route(WRITE, "leasehold/drill", drills.drill),
        _route(GET, "leasehold/drills", drills.drills),
        _route(GET, "leasehold/drift", drift.standing),
        _route(WRITE, "leasehold/drift", drift.look),
        _route(GET, "leasehold/orphans", drift.orphans),
        _route(WRITE, "leasehold/orphans", drift.remove, BUNDLE_BYTES),
        _route(GET | WRITE, "{mount}/{operation}/{role}", serve.issue),
    )


def _route(
    methods: frozenset[str], path: str, handler: Handler, body_bytes: int = BODY_BYTES
) -> Route:
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    pattern = re.sub(r"\{(\w+)…\}", r"(?P<\1>.+)", pattern)
    if path.startswith("{mount}"):
        pattern = rf"(?!(?:{'|'.join(sorted(RESERVED_MOUNTS))})/){pattern}"
    return Route(path, methods, re.compile(pattern), handler, body_bytes)
