"""What a proof is named by: all that makes and takes away accounts, and nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.bundles import bundles
from leasehold.bundle import (
    Bundle,
    EngineConfig,
    OnChange,
    OnRemoval,
    PasswordPolicy,
    Reference,
    Role,
)
from leasehold.reconcile.proofs import HOLDS_MS, Proof, from_document, proof_name, to_prove

ENGINE = EngineConfig(
    name="main",
    type="postgresql",
    mount="database",
    connection={"url": "one", "password": Reference("env", "X"), "hosts": ["a", "b"]},
)
OPTIONS = {"member_of": ["g"], "reassign_owned_to": "h"}
ROLE = Role(name="reader", engine="main", options=OPTIONS, username_template="{{name}}")
OTHER_ROLES = {
    "an option": replace(ROLE, options={**OPTIONS, "member_of": ["h"]}),
    "one option more": replace(ROLE, options={**OPTIONS, "renew_statements": "x"}),
    "password length": replace(ROLE, password_policy=PasswordPolicy(length=40)),
    "password kinds": replace(ROLE, password_policy=PasswordPolicy(required={"digits": 1})),
    "template": replace(ROLE, username_template=None),
}
OTHER_ENGINES = {
    "type": replace(ENGINE, type="other"),
    "connection": replace(ENGINE, connection={**ENGINE.connection, "url": "two"}),
    "reference": replace(
        ENGINE, connection={**ENGINE.connection, "password": Reference("env", "Y")}
    ),
}
SAME_ROLES = {
    "name": replace(ROLE, name="writer"),
    "spans": replace(ROLE, default_ttl_s=1, max_ttl_s=2),
    "limit": replace(ROLE, max_leases=1),
    "ends": replace(ROLE, on_removal=OnRemoval.REVOKE, on_change=OnChange.ENFORCE),
    "schedule": replace(ROLE, drill_every_s=60),
    "order of options": replace(ROLE, options=dict(reversed(ROLE.options.items()))),
}
spans = st.integers(0, 10**10)
PROOF = Proof(name="a", target="t", at_ms=5, passed=True, ms=7, message="")


@pytest.mark.parametrize("role", OTHER_ROLES.values(), ids=OTHER_ROLES)
def test_what_makes_accounts_asks_for_another_proof(role: Role) -> None:
    assert proof_name(role, ENGINE) != proof_name(ROLE, ENGINE)


@pytest.mark.parametrize("engine", OTHER_ENGINES.values(), ids=OTHER_ENGINES)
def test_another_connection_asks_for_another_proof(engine: EngineConfig) -> None:
    assert proof_name(ROLE, engine) != proof_name(ROLE, ENGINE)


@pytest.mark.parametrize("role", SAME_ROLES.values(), ids=SAME_ROLES)
def test_what_does_not_makes_none_necessary(role: Role) -> None:
    assert proof_name(role, ENGINE) == proof_name(ROLE, ENGINE)


def test_the_name_and_the_mount_of_the_engine_do_not_matter() -> None:
    assert proof_name(ROLE, replace(ENGINE, name="x", mount="y")) == proof_name(ROLE, ENGINE)


@given(bundles())
def test_a_bundle_has_nothing_to_prove_against_itself_and_all_against_nothing(
    bundle: Bundle,
) -> None:
    assert list(to_prove(bundle, bundle)) == []
    assert dict(to_prove(None, bundle)) == dict(bundle.roles)


@given(bundles(), bundles())
def test_what_has_to_be_proved_is_what_is_not_served_under_the_same_name(
    old: Bundle, new: Bundle
) -> None:
    def names(bundle: Bundle) -> dict[tuple[str, str], str]:
        return {
            place: proof_name(role, bundle.engines[role.engine])
            for place, role in bundle.roles.items()
        }

    before = names(old)
    wanted = {place for place, name in names(new).items() if before.get(place) != name}
    assert {place for place, _ in to_prove(old, new)} == wanted


@given(at_ms=spans, later_ms=spans, passed=st.booleans())
def test_a_proof_holds_at_its_target_for_thirty_days(
    at_ms: int, later_ms: int, passed: bool
) -> None:
    proof = replace(PROOF, at_ms=at_ms, passed=passed)
    now_ms = at_ms + later_ms
    assert proof.holds(now_ms, "t") == proof.holds(now_ms) == (passed and later_ms < HOLDS_MS)
    assert not proof.holds(now_ms, "another")


def test_a_proof_is_kept_as_it_is() -> None:
    assert from_document(PROOF.document()) == PROOF
    assert (PROOF.forgotten().name, PROOF.forgotten().value) == (PROOF.name, None)
