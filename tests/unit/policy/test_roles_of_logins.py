"""Roles of login methods in policies: their spans are seconds, and rules may name their paths."""

from typing import Any

import pytest

from fakes.policies import TYPES, lines, loaded
from leasehold.bundle import Bundle
from leasehold.methods.catalog import installed_method_types
from leasehold.reconcile.access_delta import access_delta

METHODS = installed_method_types()
POLICY = """\
auth:
  ci:
    type: approle
    options:
      roles:
        deploy: {secret_id_ttl: 10m, secret_id_num_uses: 2, token_ttl: 90}
        other: {}
identities:
  runner: {owner: o, tenant: t, match: [{unix: {uid: 7}}]}
  deploy: {owner: o, tenant: t, match: [{approle: {role: deploy}}]}
access:
  - {identities: [runner], paths: [auth/ci/role/deploy], verbs: [operate, list]}
tests:
  - {as: {unix: {uid: 7}}, path: auth/ci/role/deploy, verb: operate, expect: allow}
  - {as: {unix: {uid: 7}}, path: auth/ci/role/other, verb: operate, expect: deny}
  - {as: {approle: {role: deploy}}, path: auth/ci/role/deploy, verb: operate, expect: deny}
"""
OTHER = "  - {as: {unix: {uid: 7}}, path: auth/ci/role/other, verb: operate, expect: deny}\n"


def bundle(text: str) -> Bundle:
    found = loaded({"p.yaml": text}, TYPES, METHODS)
    assert found.problems == ()
    assert found.bundle is not None
    return found.bundle


def test_spans_of_roles_become_seconds_and_roles_have_paths() -> None:
    method = bundle(POLICY).auth["ci"]
    assert method.options["roles"]["deploy"] == {
        **{"secret_id_ttl": 600, "secret_id_num_uses": 2, "token_ttl": 90}
    }
    assert method.paths == ["auth/ci/role/deploy", "auth/ci/role/other"]


def test_a_plan_shows_who_may_make_secret_ids_of_a_role_that_was_not_there() -> None:
    wide = POLICY.replace("auth/ci/role/deploy], verbs", "auth/ci/role/*], verbs").replace(
        OTHER, ""
    )
    new = bundle(wide)
    old = bundle(wide.replace("        other: {}\n", ""))
    gained = access_delta(old, new, {}).gained
    assert {(each.identity, each.path, each.verb) for each in gained} == {
        ("runner", "auth/ci/role/other", "list"),
        ("runner", "auth/ci/role/other", "operate"),
    }


WRONG: list[tuple[str, str, Any]] = [
    (
        "paths: [auth/ci/role/deploy]",
        "paths: [auth/ci/role/deplo]",
        "no role is at auth/ci/role",
    ),
    ("secret_id_ttl: 10m", "secret_id_ttl: 2y", "found a text; allowed is a duration such as"),
    ("secret_id_num_uses: 2", "secret_id_num_uses: -1", "secret_id_num_uses: found -1"),
    ("other: {}", "other: {secret_id_bound_cidrs: [everywhere]}", "allowed is a network such as"),
    ("other: {}", "other: {policies: [x]}", "unknown key; allowed are role_id"),
    ("other: {}", "Other: {}", "allowed is a name of lower-case letters"),
]


@pytest.mark.parametrize(("right", "wrong", "words"), WRONG)
def test_what_is_wrong_with_a_role_is_told_where_it_stands(
    right: str, wrong: str, words: str
) -> None:
    found = lines({"p.yaml": POLICY.replace(right, wrong)}, TYPES, METHODS)
    assert any(words in line for line in found), found


AWS = """\
auth:
  aws: {type: aws, options: {server_id: me.example}}
identities:
  app: {owner: o, tenant: t, match: [{aws: {account: "123456789012", role: app}}]}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ('"123456789012"', "123456789012", "the 12 digits of an account, in quotes"),
        (", role: app", "", "aws"),
        ("role: app", "role: a/path", "the name of a role, without its path"),
        ("{server_id: me.example}", "{}", "lacks the key server_id"),
        ("me.example", "me.example, sts_endpoint: http://sts.internal", "an https URL"),
        ("me.example", "me.example, max_age: 1h", "15m or less"),
    ],
)
def test_what_is_wrong_with_aws_is_told(right: str, wrong: str, words: str) -> None:
    assert lines({"p.yaml": AWS}, TYPES, METHODS) == []
    found = lines({"p.yaml": AWS.replace(right, wrong)}, TYPES, METHODS)
    assert any(words in line for line in found), found
