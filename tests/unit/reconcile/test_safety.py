"""No apply takes away more than the served policy allows."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from fakes.bundles import OPERATIONS, bundles
from leasehold.bundle import Bundle, OnRemoval, Safety
from leasehold.reconcile.changes import RoleUsage, Usage
from leasehold.reconcile.plan import make_plan
from leasehold.reconcile.safety import CODES

EMPTY = Bundle(digest="e", engines={}, roles={}, identities={}, grants=(), mount_limits={})
UNLIMITED = Safety(
    max_deletes=None,
    max_delete_pct=None,
    max_leases_revoked=None,
    max_leases_revoked_pct=None,
)


def codes(old: Bundle | None, new: Bundle, usage: Usage | None = None) -> set[str]:
    used = usage or {}
    made = make_plan(
        old,
        new,
        generation=1,
        usage=used,
        live_leases=sum(each.total for each in used.values()),
        operations=OPERATIONS,
        revocability={},
    )
    found = {unsafe.code for unsafe in made.unsafe}
    assert found <= set(CODES)
    return found


@given(bundles(safety=UNLIMITED))
def test_an_empty_bundle_never_removes_everything_whatever_the_limits(old: Bundle) -> None:
    had_something = bool(old.engines or old.roles or old.identities or old.grants)
    assert ("removes-everything" in codes(old, EMPTY)) == had_something


@given(bundles())
def test_the_first_bundle_is_judged_by_nothing(new: Bundle) -> None:
    assert codes(None, new) == set()


@given(bundles(), bundles(safety=UNLIMITED))
def test_a_change_cannot_loosen_the_limits_that_it_is_judged_by(old: Bundle, new: Bundle) -> None:
    tight = dataclasses.replace(old, safety=Safety(max_deletes=0, max_delete_pct=None))
    gone = (
        old.engines.keys() - new.engines.keys()
        or old.identities.keys() - new.identities.keys()
        or {(role.engine, role.name) for role in old.roles.values()}
        - {(role.engine, role.name) for role in new.roles.values()}
    )
    assert ("max-deletes" in codes(tight, new)) == bool(gone)


@given(bundles(), st.integers(1, 40))
def test_leases_that_end_now_are_limited(old: Bundle, leases: int) -> None:
    roles = {
        place: dataclasses.replace(role, on_removal=OnRemoval.REVOKE)
        for place, role in old.roles.items()
    }
    old = dataclasses.replace(old, roles=roles, safety=Safety(max_leases_revoked=10))
    new = dataclasses.replace(old, roles={})
    usage = {place: RoleUsage(holders={"a": leases}) for place in roles}
    assert ("max-leases-revoked" in codes(old, new, usage)) == (leases * len(roles) > 10)


@given(bundles(), bundles())
def test_what_is_protected_stays(old: Bundle, new: Bundle) -> None:
    guarded = dataclasses.replace(old, safety=Safety(protected=("engine:a", "role:b/*")))
    loses_engine = "a" in old.engines and "a" not in new.engines
    kept = {(role.engine, role.name) for role in new.roles.values()}
    loses_role = any(
        role.engine == "b" and ("b", role.name) not in kept for role in old.roles.values()
    )
    assert ("protected" in codes(guarded, new)) == (loses_engine or loses_role)


def test_percentages_hold_from_the_floor_on() -> None:
    def with_roles(count: int) -> Bundle:
        base = EMPTY.safety
        from leasehold.bundle import EngineConfig, Role

        engine = EngineConfig(name="a", type="postgresql", mount="a", connection={})
        roles = {("a", f"r{n}"): Role(name=f"r{n}", engine="a") for n in range(count)}
        safety = dataclasses.replace(base, max_deletes=None)
        return dataclasses.replace(EMPTY, engines={"a": engine}, roles=roles, safety=safety)

    assert codes(with_roles(3), with_roles(2)) == set()
    assert codes(with_roles(4), with_roles(3)) == set()  # 1 of 5 is 20 %
    assert codes(with_roles(5), with_roles(3)) == {"max-delete-pct"}
