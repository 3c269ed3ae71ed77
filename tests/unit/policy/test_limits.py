"""A role's limits, its mount's and the built-in ones: the nearest that speaks holds."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from leasehold.bundle import DEFAULT_MAX_TTL_S, DEFAULT_TTL_S
from leasehold.policy.durations import seconds, text
from leasehold.policy.limits import BUILT_IN, MOUNT, ROLE, limits_of, mount_faults, role_faults

spans = st.integers(1, 3 * DEFAULT_MAX_TTL_S).flatmap(lambda s: st.sampled_from([s, text(s)]))
counts = st.integers(1, 50)
roles = st.fixed_dictionaries(
    {}, optional={"default_ttl": spans, "max_ttl": spans, "max_leases": counts}
)
mounts = st.fixed_dictionaries(
    {}, optional={"default_ttl": spans, "max_ttl": spans, "max_leases_per_role": counts}
)


def faulty(role: dict[str, Any], mount: dict[str, Any]) -> list[str]:
    return [key for key, _ in (*role_faults(role, mount, "db"), *mount_faults(mount, "db"))]


@given(roles, mounts)
def test_without_faults_no_limit_is_over_another(
    role: dict[str, Any], mount: dict[str, Any]
) -> None:
    holds = limits_of(role, mount)
    sound = (
        holds.default_ttl_s <= holds.max_ttl_s
        and holds.max_ttl_s <= seconds(mount.get("max_ttl", holds.max_ttl_s))
        and (holds.max_leases or 0) <= mount.get("max_leases_per_role", 50)
    )
    assert sound or faulty(role, mount)


@given(roles, mounts)
def test_the_nearest_that_speaks_holds(role: dict[str, Any], mount: dict[str, Any]) -> None:
    holds = limits_of(role, mount)
    by = ROLE if "max_ttl" in role else MOUNT if "max_ttl" in mount else BUILT_IN
    said = {ROLE: role, MOUNT: mount, BUILT_IN: {}}[by].get("max_ttl", DEFAULT_MAX_TTL_S)
    assert (holds.max_ttl_s, holds.said_by["max_ttl"]) == (seconds(said), by)
    if "default_ttl" in role:
        assert holds.default_ttl_s == seconds(role["default_ttl"])
    else:
        wanted = seconds(mount.get("default_ttl", DEFAULT_TTL_S))
        assert holds.default_ttl_s == min(wanted, holds.max_ttl_s)
    if "max_leases" in role:
        assert (holds.max_leases, holds.said_by["max_leases"]) == (role["max_leases"], ROLE)
    else:
        assert holds.max_leases == mount.get("max_leases_per_role")


@given(roles)
def test_a_role_that_names_its_maximum_is_at_fault_only_by_its_own_default(
    role: dict[str, Any],
) -> None:
    over = "default_ttl" in role and seconds(role["default_ttl"]) > limits_of(role, {}).max_ttl_s
    assert faulty(role, {}) == (["default_ttl"] if over else [])


def test_what_nobody_says_is_an_hour_and_at_most_a_day() -> None:
    holds = limits_of({}, {})
    assert (holds.default_ttl_s, holds.max_ttl_s, holds.max_leases) == (3_600, 86_400, None)
    assert set(holds.said_by.values()) == {BUILT_IN}
