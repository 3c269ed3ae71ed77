"""Roles as what they make: which recipe, filled how, refused and warned of with which words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold_plugins.elasticsearch.recipes import ApiKey, User, faults, lint, recipe

VAULT_ROLES = json.dumps({"elasticsearch_roles": ["reader"]})
DEFINITION = {"elasticsearch_role_definition": {"cluster": ["monitor"]}}
KEY = {"role_descriptors": {"reader": {"cluster": ["monitor"]}}}


def test_each_recipe_makes_what_it_says() -> None:
    assert recipe({"roles": ["a", "b"]}, "lhx") == User(("a", "b"))
    assert recipe({"creation_statements": VAULT_ROLES}, "lhx") == User(("reader",))
    own = recipe({"creation_statements": [json.dumps(DEFINITION)]}, "lhx")
    assert own == User(("lhx",), {"cluster": ["monitor"]})
    assert recipe(KEY, "lhx") == ApiKey({"reader": {"cluster": ["monitor"]}})


@given(st.text(), st.text())
def test_no_name_reaches_beyond_its_place(name: str, expiry: str) -> None:
    query = '{"term": {"owner": "{{name}}"}}'
    index = {"names": ["a-{{username}}"], "privileges": ["read"], "query": query}
    role = {"role_descriptors": {"x": {"indices": [index], "metadata": {"e": "{{expiration}}"}}}}
    made = recipe(role, name, expiry)
    assert isinstance(made, ApiKey)
    filled = json.loads(json.dumps(made.descriptors["x"]))
    [its] = filled["indices"]
    assert its["names"] == [f"a-{name}"]
    assert json.loads(its["query"]) == {"term": {"owner": name}}
    assert filled["metadata"] == {"e": expiry}


@pytest.mark.parametrize(
    ("role", "line"),
    [
        (
            {},
            "has none of its recipes; write one of roles, role_descriptors, creation_statements",
        ),
        (
            {"roles": ["a"], **KEY},
            "has roles and role_descriptors; write one of roles, role_descriptors,"
            " creation_statements",
        ),
        (
            {"creation_statements": "CREATE USER x"},
            'creation_statements: allowed is {"elasticsearch_roles": ["…"]} or'
            ' {"elasticsearch_role_definition": {…}}, as JSON',
        ),
        (
            {"creation_statements": [VAULT_ROLES, VAULT_ROLES]},
            "creation_statements: allowed is one text of JSON; found several",
        ),
        (
            {"roles": ["app-{{password}}"]},
            "roles: unknown placeholder {{password}}; allowed are {{name}}, {{username}},"
            " {{expiration}}, since leasehold sets the password",
        ),
    ],
)
def test_each_fault_is_one_line_with_what_is_allowed(role: dict[str, Any], line: str) -> None:
    assert faults(role) == [line]


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "{}", "3", '{"elasticsearch_roles": []}', '{"elasticsearch_roles": [1]}'),
        '{"elasticsearch_roles": ["a"], "elasticsearch_role_definition": {}}',
        '{"elasticsearch_role_definition": []}',
    ],
)
def test_what_is_not_vaults_form_is_refused(text: str) -> None:
    [line] = faults({"creation_statements": text})
    assert line.startswith("creation_statements: allowed is")


@pytest.mark.parametrize(
    ("role", "culprit"),
    [
        ({"roles": ["reader", "superuser"]}, "roles: superuser"),
        ({"roles": ["all_access"]}, "roles: all_access"),
        ({"role_descriptors": {"x": {"cluster": ["all"]}}}, "role_descriptors: all"),
        (
            {"creation_statements": json.dumps({"elasticsearch_roles": ["superuser"]})},
            "creation_statements: superuser",
        ),
    ],
)
def test_rights_that_make_accounts_are_warned_of(role: dict[str, Any], culprit: str) -> None:
    [line] = lint(role)
    assert line.startswith(f"{culprit} lets the account make accounts of its own")


def test_the_same_role_for_each_account_is_warned_of() -> None:
    own = json.dumps({"elasticsearch_role_definition": {"indices": []}})
    [line] = lint({"creation_statements": own})
    assert line.startswith("creation_statements: makes the same role for each account")
    assert "10,000 roles" in line
    named = json.dumps({"elasticsearch_roles": ["reader"]})
    its_own = {"indices": [{"names": ["of-{{name}}-*"], "privileges": ["all"]}]}
    for needed in (named, json.dumps({"elasticsearch_role_definition": its_own})):
        assert lint({"creation_statements": needed}) == []


def test_what_is_harmless_or_a_fault_is_not_warned_of() -> None:
    for role in ({"roles": ["reader"]}, KEY, {}, {"creation_statements": "{"}):
        assert lint(role) == []
