"""Why not, and what comes near; and what a question's answer looks like to programs."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fakes.policy import GRANTS, IDENTITIES, a_bundle
from leasehold.bundle import Grant
from leasehold.conditions import Circumstances
from leasehold.policy.decide import VERBS, decide
from leasehold.policy.misses import MOST, near_misses
from leasehold.policy.questions import can, can_json, who_can, who_json
from leasehold.policy.schemas import schema

OPERATIONS = {"fake": frozenset({"creds"})}
NOW = Circumstances(None)
HOLDER, STRANGER, OPERATOR = (IDENTITIES[name] for name in ("holder", "stranger", "operator"))


def rule(source: str, who: tuple[str, ...], path: str, *verbs: str, **changes) -> Grant:
    return Grant(identities=who, paths=(path,), verbs=frozenset(verbs), source=source, **changes)


def asked(path: str, verb: str = "issue", *identities, **changes):
    return can(a_bundle(**changes), OPERATIONS, identities or [HOLDER], path, verb, NOW)


def misses(rules, path: str, verb: str) -> tuple[str, ...]:
    return near_misses(a_bundle(grants=tuple(rules)), [HOLDER], path, verb, NOW)


def may(rules, verb: str) -> bool:
    return decide(a_bundle(grants=tuple(rules)), [HOLDER], "a/b/c", verb, NOW).allowed


def test_the_verbs_are_those_of_a_policy() -> None:
    assert list(VERBS) == schema("policy")["$defs"]["verb"]["enum"]


def test_a_rule_without_a_role_behind_it_is_no_yes_to_issue() -> None:
    for path in ("database/creds/raeder", "database/sts/reader", "cache/creds/reader"):
        answer = asked(path, grants=(rule("p:1", ("holder",), "*", *VERBS),))
        assert not answer.allowed
        assert answer.why == f"p:1 allows it, but no role is at {path}"
    assert asked("database/creds/raeder").near[0] == "a role is at database/creds/reader"


def test_verbs_about_leases_that_live_on_need_no_role() -> None:
    for verb in ("list", "revoke-any"):
        assert asked("database/creds/gone", verb, OPERATOR).allowed


def test_nobody_in_particular_is_told_so() -> None:
    answer = can(a_bundle(), OPERATIONS, [], "database/creds/reader", "issue", NOW)
    assert answer.why == (
        "no rule allows issue at database/creds/reader to somebody who is no identity"
    )


def test_each_kind_of_miss_is_told_the_nearest_first() -> None:
    rules = (
        rule("p:1", ("holder",), "cache/*", "list"),
        rule("p:2", ("stranger",), "database/*", "list"),
        rule("p:3", ("holder",), "database/*", "renew", "issue"),
        rule("p:4", ("stranger",), "cache/*", "list"),
        rule("p:5", tuple("abcdef"), "*", "list"),
    )
    assert misses(rules, "database/creds/reader", "list") == (
        "p:3 allows issue, renew there, not list",
        "p:2 allows it to stranger",
        "p:5 allows it to a, b, c, d and 2 more",
    )
    assert misses(rules[:1], "database/creds/reader", "list") == ("p:1 allows list at cache/*",)


@given(
    st.lists(
        st.builds(
            Grant,
            identities=st.lists(st.sampled_from(["holder", "stranger"]), min_size=1).map(tuple),
            paths=st.lists(st.sampled_from(["a/b/c", "a/*", "d/*"]), min_size=1).map(tuple),
            verbs=st.frozensets(st.sampled_from(VERBS), min_size=1),
            source=st.sampled_from(["p:1", "p:2"]),
        )
    ),
    st.sampled_from(VERBS),
    st.randoms(),
)
def test_misses_are_few_in_a_fixed_order_and_one_change_away(rules, verb, random) -> None:
    found = misses(rules, "a/b/c", verb)
    assert len(found) <= MOST
    if not may(rules, verb):
        one_away = any(
            may([replace(each, **change)], verb)
            for each in rules
            for change in (
                {"identities": ("holder",)},
                {"paths": ("*",)},
                {"verbs": frozenset(VERBS)},
            )
        )
        assert bool(found) == one_away
    random.shuffle(rules)
    assert misses(rules, "a/b/c", verb) == found


def test_an_answer_tells_programs_all_and_what_is_near_to_operators_only() -> None:
    answer = asked("database/creds/brief", "issue", HOLDER, STRANGER)
    assert can_json(answer, near=True) == {
        "allowed": True,
        "path": "database/creds/brief",
        "verb": "issue",
        "identities": ["holder", "stranger"],
        "identity": "holder",
        "owner": "team-holder",
        "tenant": "holder",
        "ttl": 60,
        "max_ttl": 300,
        "rule": "policy.yaml:1",
        "require": {},
        "why": "",
        "near": [],
    }
    denied = asked("database/creds/brief", "list")
    assert can_json(denied, near=True)["near"] == [
        "policy.yaml:1 allows issue, renew there, not list",
        "policy.yaml:2 allows it to operator",
    ]
    assert can_json(denied, near=False) == {
        "allowed": False,
        "path": "database/creds/brief",
        "verb": "list",
        "identities": ["holder"],
        "identity": None,
        "owner": None,
        "tenant": None,
        "ttl": None,
        "max_ttl": None,
        "rule": None,
        "require": {},
        "why": "no rule allows list at database/creds/brief to holder",
        "near": [],
    }


def test_a_cap_of_the_rule_is_a_cap_of_the_answer() -> None:
    capped = (rule("p:1", ("holder",), "*", "issue", max_ttl_s=90),)
    for path, ttls in (("database/creds/reader", (90, 90)), ("database/creds/brief", (60, 90))):
        answer = asked(path, grants=capped)
        assert (answer.ttl_s, answer.max_ttl_s) == ttls


def test_who_can_tells_each_identity_with_what_makes_one_be_it() -> None:
    known = replace(OPERATOR, facts=({"uid": 1002}, {"user": "ops", "group": "adm"}))
    bundle = a_bundle(identities={**IDENTITIES, "operator": known})
    told = who_json(who_can(bundle, OPERATIONS, "x", "list", NOW), "x", "list")
    assert told["identities"] == [
        {
            "identity": "operator",
            "owner": "team-operator",
            "tenant": "operator",
            "match": ["unix:uid=1002", "unix:user=ops,group=adm"],
            "ttl": None,
            "max_ttl": None,
            "rule": GRANTS[1].source,
            "require": {},
        }
    ]
    assert who_can(bundle, OPERATIONS, "x", "revoke", NOW) == []
