"""What several policies of Vault allow together, in the order that its documentation gives."""

import contextlib
import json
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.importing import acl
from leasehold.importing.acl import Rule, allows
from leasehold.importing.hcl import NotUnderstood

PLACE = "db/creds/app"
PATTERNS = [
    PLACE,
    "db/creds/a*",
    "db/creds/+",
    "db/creds/*",
    "db/+/app",
    "db/*",
    "+/creds/app",
    "*",
]
"""The most special one first, as Vault orders them."""
patterns = st.sampled_from([*PATTERNS, "db/creds/b", "+/creds/+", "db/+/*", "other/*", "db/creds"])
capabilities = st.sets(st.sampled_from(["read", "update", "deny", "list"]))
rules = st.builds(
    lambda path, given: Rule(path, frozenset(given), frozenset()), patterns, capabilities
)


def rule(path: str, *given: str) -> Rule:
    return Rule(path, frozenset(given), frozenset())


@pytest.mark.parametrize(("special", "general"), list(pairwise(PATTERNS)))
def test_the_more_special_path_is_heard(special: str, general: str) -> None:
    for both in permutations([rule(special, "read"), rule(general, "deny")]):
        assert allows(both, PLACE, "read")
    for both in permutations([rule(special, "deny"), rule(general, "read")]):
        assert not allows(both, PLACE, "read")


def test_a_special_path_without_the_capability_hides_a_general_one_that_has_it() -> None:
    assert not allows([rule("db/*", "read"), rule(PLACE, "update")], PLACE, "read")


def test_capabilities_of_one_path_add_up_and_deny_beats_them() -> None:
    assert allows([rule("db/*", "update"), rule("db/*", "read")], PLACE, "read")
    assert not allows([rule("db/*", "deny"), rule("db/*", "read")], PLACE, "read")


def test_a_template_that_may_forbid_is_taken_to_forbid() -> None:
    general = rule("db/*", "read")
    assert not allows([general, rule("db/creds/{{identity.entity.name}}", "deny")], PLACE, "read")
    assert allows([general, rule("kv/{{identity.entity.name}}/*", "deny")], PLACE, "read")


def test_a_template_alone_gives_nothing() -> None:
    assert not allows([rule("db/creds/{{identity.entity.name}}", "read")], PLACE, "read")


def test_what_asks_for_more_than_a_token_gives_nothing() -> None:
    assert not allows([Rule(PLACE, frozenset({"read"}), frozenset({"mfa_methods"}))], PLACE, "read")


@given(st.lists(rules, max_size=6), st.randoms())
def test_the_order_of_rules_means_nothing(given: list[Rule], random) -> None:
    shuffled = list(given)
    random.shuffle(shuffled)
    assert allows(given, PLACE, "read") == allows(shuffled, PLACE, "read")


@given(st.lists(rules, max_size=6), patterns)
def test_one_more_deny_never_gives_anything(given: list[Rule], path: str) -> None:
    if allows([*given, rule(path, "deny")], PLACE, "read"):
        assert allows(given, PLACE, "read")


@given(st.lists(rules, max_size=6))
def test_a_policy_says_the_same_in_hcl_and_in_json(given: list[Rule]) -> None:
    once = list({each.path: each for each in given}.values())
    body = {each.path: {"capabilities": sorted(each.capabilities)} for each in once}
    hcl = "".join(
        f'path "{path}" {{ capabilities = {json.dumps(body[path]["capabilities"])} }}\n'
        for path in body
    )
    assert acl.parse(hcl) == acl.parse(json.dumps({"path": body})) == tuple(once)


def test_old_words_and_leading_slashes_are_known() -> None:
    [read] = acl.parse('path "/db/creds/app" { policy = "read" }')
    assert read == rule(PLACE, "read", "list")


def test_parameters_and_control_groups_are_demands_and_comments_are_not() -> None:
    [asking] = acl.parse(
        'path "a" {\n capabilities = ["read"]\n comment = "x"\n'
        ' allowed_parameters = { "ttl" = [] }\n control_group = { ttl = "1h" } }'
    )
    assert asking.demands == {"allowed_parameters", "control_group"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('path "a" { capabilities = ["fly"] }', "has the capability 'fly'"),
        ('path "a" { policy = "own" }', "has the policy 'own'"),
        ('path "a+*" { }', "path 'a+*' is none"),
        ('role "a" { }', "it has 'role' beside paths"),
        ('path "a" { capabilities = <<X\nX\n}', "line 1: found '<<X'"),
        ('path "a" {\n capabilities = ["read"]', "line 2: found 'the end'"),
        ('path "a" "b" { }', "line 1: found '\"b\"'"),
        ('path "${x}" { }', "line 1: found '\"${x}\"'"),
        ('{"path": {"a": {}, "a": {}}}', "has a key twice"),
        ('{"path": [{"a": {}}]}', "it has 'path' beside paths"),
    ],
)
def test_what_is_not_understood_is_said_and_not_guessed(text: str, words: str) -> None:
    with pytest.raises(NotUnderstood) as told:
        acl.parse(text)
    assert words in str(told.value)


@given(st.text(alphabet='path"ab{}[]=\\ \n#/*$,:1<', max_size=40))
def test_any_text_is_a_policy_or_not_understood(text: str) -> None:
    with contextlib.suppress(NotUnderstood):
        acl.parse(text)
