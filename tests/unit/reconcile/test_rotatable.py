"""Whose rights to rotate are looked at: what is new, or stands at another target than before."""

from dataclasses import replace

from fakes.policy import ENGINES, a_bundle
from leasehold.reconcile.rotatable import Rotatable, accounts_to_rotate, to_check
from leasehold.standing import Schedule, StaticRole

ROLE = StaticRole(
    name="ledger", engine="main", accounts=("a", "b"), schedule=Schedule(every_s=86_400)
)
STATIC = {("database", "ledger"): ROLE}
ROTATED = {**ENGINES, "main": replace(ENGINES["main"], root_rotation_s=86_400)}
LEDGER = Rotatable("static:main/ledger", "main", ("a", "b"))
ADMINISTRATOR = Rotatable("engine:main", "main", (None,))


def test_administrators_count_where_they_are_rotated_in_time() -> None:
    bundle = a_bundle(engines=ROTATED, static_roles=STATIC)
    assert accounts_to_rotate(bundle, "main") == [None, "a", "b"]
    assert accounts_to_rotate(bundle, "other") == []
    assert accounts_to_rotate(a_bundle(static_roles=STATIC), "main") == ["a", "b"]


def test_what_is_new_is_looked_at_and_what_stays_is_not() -> None:
    before = a_bundle(static_roles=STATIC)
    after = a_bundle(engines=ROTATED, static_roles=STATIC)
    assert to_check(None, after) == [ADMINISTRATOR, LEDGER]
    assert to_check(before, after) == [ADMINISTRATOR]
    assert to_check(after, after) == to_check(after, before) == []


def test_another_schedule_asks_for_no_look_and_other_accounts_do() -> None:
    before = a_bundle(static_roles=STATIC)
    slower = replace(ROLE, schedule=Schedule(every_s=7))
    single = replace(ROLE, accounts=("a",))
    assert to_check(before, a_bundle(static_roles={("database", "ledger"): slower})) == []
    [found] = to_check(before, a_bundle(static_roles={("database", "ledger"): single}))
    assert found.accounts == ("a",)


def test_an_engine_that_leads_elsewhere_has_all_of_its_accounts_looked_at() -> None:
    moved = {**ENGINES, "main": replace(ENGINES["main"], connection={"host": "elsewhere"})}
    before, after = a_bundle(static_roles=STATIC), a_bundle(engines=moved, static_roles=STATIC)
    assert to_check(before, after) == [LEDGER]
