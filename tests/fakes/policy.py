"""A small bundle as values: two engines, three roles, and who may ask for them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from leasehold.bundle import Bundle, EngineConfig, Grant, Identity, Role, UnixMatch
from leasehold.model import Caller
from leasehold.secret import Secret

HOLDER = Caller(uid=1000, gid=1000, pid=11, groups=frozenset({1000}))
STRANGER = Caller(uid=1001, gid=1001, pid=12, groups=frozenset({1001}))
OPERATOR = Caller(uid=1002, gid=1002, pid=13, groups=frozenset({1002}))
NOBODY_KNOWN = Caller(uid=0, gid=0, pid=14, groups=frozenset({0}))

ENGINES = {
    "main": EngineConfig(name="main", type="fake", mount="database", connection={"host": "one"}),
    "other": EngineConfig(name="other", type="fake", mount="cache", connection={"host": "two"}),
}
ROLES = {
    ("database", "reader"): Role(
        name="reader", engine="main", default_ttl_s=3_600, max_ttl_s=86_400, options={"as": "r"}
    ),
    ("database", "brief"): Role(
        name="brief", engine="main", default_ttl_s=60, max_ttl_s=300, options={"as": "b"}
    ),
    ("cache", "user"): Role(
        name="user", engine="other", default_ttl_s=60, max_ttl_s=300, options={"as": "u"}
    ),
}
IDENTITIES = {
    name: Identity(name=name, owner=f"team-{name}", tenant=name, match=(UnixMatch(uid=caller.uid),))
    for name, caller in (("holder", HOLDER), ("stranger", STRANGER), ("operator", OPERATOR))
}
GRANTS = (
    Grant(
        identities=("holder", "stranger"),
        paths=("database/creds/*", "cache/creds/*"),
        verbs=frozenset({"issue", "renew"}),
        source="policy.yaml:1",
    ),
    Grant(
        identities=("operator",),
        paths=("*",),
        verbs=frozenset({"revoke-any", "list", "operate"}),
        source="policy.yaml:2",
    ),
)


def a_bundle(**changes: Any) -> Bundle:
    """All of the above, with some of it replaced."""
    fields: dict[str, Any] = {
        "digest": "d" * 64,
        "engines": ENGINES,
        "roles": ROLES,
        "identities": IDENTITIES,
        "grants": GRANTS,
        "mount_limits": {},
    }
    return Bundle(**{**fields, **changes})


def roles_with(name: str, **changes: Any) -> dict[tuple[str, str], Role]:
    """The roles, one of them changed."""
    return {
        place: replace(role, **changes) if role.name == name else role
        for place, role in ROLES.items()
    }


def connections(bundle: Bundle) -> dict[str, Mapping[str, Any]]:
    """The engines' connections, with a secret each as after the references were resolved."""
    return {
        name: {**engine.connection, "password": Secret(f"admin-of-{engine.connection['host']}")}
        for name, engine in bundle.engines.items()
    }
