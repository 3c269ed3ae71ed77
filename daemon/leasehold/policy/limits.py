"""What a role's own limits, its mount's, and those that are built in come to. Pure.

The nearest that says something holds: the role, then `lease_limits` of its mount, then what is
built in. A role may stay under its mount's limits and never go over them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from leasehold.bundle import DEFAULT_MAX_TTL_S, DEFAULT_TTL_S
from leasehold.policy.durations import seconds, text

ROLE, MOUNT, BUILT_IN = "role", "mount", "built in"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that hold for one role; TTLs in seconds, `max_leases` None for no limit.

    `said_by` has `role`, `mount` or `built in` for `default_ttl`, `max_ttl` and `max_leases`.
    """

    default_ttl_s: int
    max_ttl_s: int
    max_leases: int | None
    said_by: Mapping[str, str]


def limits_of(role: Mapping[str, Any], mount: Mapping[str, Any]) -> Limits:
    """What holds for a role, given its own keys and `lease_limits` of its mount."""
    max_s, max_by = _span("max_ttl", role, mount, DEFAULT_MAX_TTL_S)
    default_s, default_by = _span("default_ttl", role, mount, DEFAULT_TTL_S)
    if default_s > max_s and default_by != ROLE:
        default_s, default_by = max_s, max_by  # what the role did not ask for gives way
    most, most_by = mount.get("max_leases_per_role"), MOUNT
    if "max_leases" in role:
        most, most_by = role["max_leases"], ROLE
    elif most is None:
        most_by = BUILT_IN
    said_by = {"default_ttl": default_by, "max_ttl": max_by, "max_leases": most_by}
    return Limits(default_s, max_s, most, said_by)


def role_faults(
    role: Mapping[str, Any], mount: Mapping[str, Any], name: str
) -> Iterator[tuple[str, str]]:
    """What is wrong with a role's limits on the mount called `name`, by key."""
    holds = limits_of(role, mount)
    allow = f"lease_limits of {name} allow"
    if "max_ttl" in mount and holds.max_ttl_s > seconds(mount["max_ttl"]):
        yield "max_ttl", f"found {text(holds.max_ttl_s)}; {allow} {text(seconds(mount['max_ttl']))}"
    elif holds.default_ttl_s > holds.max_ttl_s:
        yield "default_ttl", _over(holds, name)
    most = mount.get("max_leases_per_role")
    if most is not None and holds.max_leases is not None and holds.max_leases > most:
        yield "max_leases", f"found {holds.max_leases}; {allow} {most} a role"


def mount_faults(mount: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    """What is wrong with `lease_limits` of the mount called `name`, by key."""
    if "default_ttl" in mount:
        # A role that said the same would be at fault; so is the mount that says it for all.
        holds = limits_of({"default_ttl": mount["default_ttl"]}, mount)
        if holds.default_ttl_s > holds.max_ttl_s:
            yield "default_ttl", _over(holds, name)


def _span(
    key: str, role: Mapping[str, Any], mount: Mapping[str, Any], built_in_s: int
) -> tuple[int, str]:
    if key in role:
        return seconds(role[key]), ROLE
    if key in mount:
        return seconds(mount[key]), MOUNT
    return built_in_s, BUILT_IN


def _over(holds: Limits, mount: str) -> str:
    origin = {
        ROLE: "",
        MOUNT: f" in lease_limits of {mount}",
        BUILT_IN: ", which is built in; name a max_ttl too",
    }
    by = origin[holds.said_by["max_ttl"]]
    return f"found {text(holds.default_ttl_s)}; max_ttl is {text(holds.max_ttl_s)}{by}"
