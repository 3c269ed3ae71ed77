"""A plan tells everything that changes, and nothing that does not."""

import json

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from fakes.bundles import OPERATIONS, bundles
from leasehold.bundle import Bundle
from leasehold.cli.plan_text import as_markdown, as_text
from leasehold.conditions import Circumstances
from leasehold.policy.decide import Allowed, decide
from leasehold.policy.schemas import schema
from leasehold.reconcile.access_delta import rights, served_paths
from leasehold.reconcile.changes import NO_CAP, NOT_ALLOWED, Plan, RoleUsage, Usage
from leasehold.reconcile.plan import as_json, make_plan

VALIDATOR = Draft202012Validator(schema("plan"))
usages = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b", "shared"]), st.sampled_from(["a", "b", "c"])),
    st.builds(
        RoleUsage,
        holders=st.dictionaries(st.sampled_from(["a", "b", "x"]), st.integers(1, 9), min_size=1),
    ),
    max_size=4,
)


def plan(old: Bundle | None, new: Bundle, usage: Usage | None = None) -> Plan:
    used = usage or {}
    return make_plan(
        old,
        new,
        generation=7,
        usage=used,
        live_leases=sum(each.total for each in used.values()),
        operations=OPERATIONS,
        revocability={},
    )


@given(bundles(), usages)
def test_a_bundle_against_itself_changes_nothing(bundle: Bundle, usage: Usage) -> None:
    made = plan(bundle, bundle, usage)
    assert made.empty
    assert (made.access.gained, made.access.lost, made.unsafe) == ((), (), ())
    assert made.leases.total == 0


@given(bundles(), bundles(), usages)
def test_every_plan_is_what_the_schema_says_and_can_be_read(
    old: Bundle, new: Bundle, usage: Usage
) -> None:
    made = as_json(plan(old, new, usage), online=True)
    told = json.loads(json.dumps(made))
    VALIDATOR.validate(told)
    text = as_text(told)
    assert made["checksum"] in text
    assert all(change["address"] in text for change in told["changes"])
    assert as_markdown(told)


@given(bundles(), bundles())
def test_an_empty_plan_changes_no_engine_no_role_no_identity_and_nobodys_access(
    old: Bundle, new: Bundle
) -> None:
    made = plan(old, new)
    if made.empty:
        assert (old.engines, old.roles, old.identities) == (new.engines, new.roles, new.identities)
        assert (made.access.gained, made.access.lost) == ((), ())


@given(bundles(), bundles())
def test_the_same_two_bundles_have_the_same_checksum_and_others_another(
    old: Bundle, new: Bundle
) -> None:
    made = plan(old, new)
    assert made.checksum == plan(old, new, {("a", "a"): RoleUsage(holders={"a": 3})}).checksum
    other = make_plan(
        old,
        new,
        generation=8,
        usage={},
        live_leases=0,
        operations=OPERATIONS,
        revocability={},
    )
    assert other.checksum != made.checksum


@given(bundles())
def test_access_that_is_spelt_out_is_what_is_decided(bundle: Bundle) -> None:
    spelt = rights(bundle, served_paths(bundle, OPERATIONS))
    for path in served_paths(bundle, OPERATIONS):
        for identity in bundle.identities.values():
            for verb in ("issue", "renew", "revoke", "list"):
                found = spelt.get((identity.name, path, verb), ())
                decision = decide(bundle, [identity], path, verb, Circumstances(None))
                if isinstance(decision, Allowed):
                    wanted = NO_CAP if decision.max_ttl_s is None else decision.max_ttl_s
                else:
                    wanted = NOT_ALLOWED
                assert max((right.longest for right in found), default=NOT_ALLOWED) == wanted


@given(bundles(), bundles(), usages)
def test_each_lease_is_counted_once(old: Bundle, new: Bundle, usage: Usage) -> None:
    made = plan(old, new, usage)
    live = sum(used.total for used in usage.values())
    assert made.leases.total <= live
    assert made.leases.revoked + made.leases.stranded <= live
    assert sum(count for _, count in made.leases.holders) == made.leases.total
