"""How long leases lasted in Vault, as `lease_limits` and TTLs of roles. Pure.

Vault: the role's own, else the mount's, else the server's 768 h, and never more than the mount's
maximum. Here: the role's own, else `lease_limits` of the mount, else 1 h and at most 24 h. Only
what somebody said is taken over; the server's own 768 h are nobody's choice.
"""

from collections.abc import Mapping
from typing import Any

from leasehold.bundle import DEFAULT_MAX_TTL_S
from leasehold.importing.snapshot import Database, Fields, whole
from leasehold.policy.durations import text

MOST_S = 3650 * 86_400


def mount_limits(database: Database) -> dict[str, Any]:
    """`lease_limits` of the mount; empty where nobody said anything."""
    limits: dict[str, Any] = {}
    most_s = _most_s(database)
    if database.said_max_s:
        limits["max_ttl"] = text(most_s)
    if database.said_default_s:
        default_s = min(database.said_default_s, most_s)
        limits = {"default_ttl": text(default_s), **limits}
        if default_s > DEFAULT_MAX_TTL_S:
            limits["max_ttl"] = text(most_s)
    return limits


def role_ttls(database: Database, limits: Mapping[str, Any], role: Fields) -> dict[str, Any]:
    """The role's own TTLs, within what its mount allows, as Vault would cut them too."""
    ttls: dict[str, Any] = {}
    mount_s, said_s = _most_s(database), whole(role.get("max_ttl"))
    holds_s = min(said_s or mount_s, mount_s)
    default_s = min(whole(role.get("default_ttl")), holds_s)
    # Without a word on the maximum the 24 h that are built in would hold.
    if said_s or ("max_ttl" not in limits and default_s > DEFAULT_MAX_TTL_S):
        ttls["max_ttl"] = text(holds_s)
    return {"default_ttl": text(default_s), **ttls} if default_s else ttls


def lasted(database: Database, role: Fields) -> tuple[int, int]:
    """How long a lease of the role lasted in Vault: by default, and at most. Seconds."""
    mount_s = _most_s(database)
    most_s = min(whole(role.get("max_ttl")) or mount_s, mount_s)
    return min(whole(role.get("default_ttl")) or database.holds_default_s, most_s), most_s


def _most_s(database: Database) -> int:
    return min(database.holds_max_s, MOST_S)
