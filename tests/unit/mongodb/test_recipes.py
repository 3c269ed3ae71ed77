"""Roles of a policy as accounts: both forms, what is wrong with them, and what will hurt."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold_plugins.mongodb.recipes import BadRecipe, faults, lint, recipe

READ = {"role": "read", "db": "app"}


def vault(document: Any) -> dict[str, Any]:
    return {"creation_statements": json.dumps(document)}


def test_roles_live_in_admin_unless_db_says_otherwise() -> None:
    assert recipe({"roles": [READ]}).db == "admin"
    found = recipe({"roles": [READ, "own"], "db": "mydb"})
    assert (found.db, found.roles) == ("mydb", (("read", "app"), ("own", "mydb")))


def test_vaults_json_means_what_it_means_there() -> None:
    found = recipe(vault({"db": "mydb", "roles": [{"role": "readWrite"}, "read", READ]}))
    assert found.db == "mydb"
    assert found.roles == (("readWrite", "mydb"), ("read", "mydb"), ("read", "app"))
    assert recipe(vault({"roles": [READ]})).db == "admin"
    assert recipe({"creation_statements": [json.dumps({"roles": [READ]})]}).roles


def test_an_account_by_certificate_is_external_and_its_roles_are_not() -> None:
    found = recipe({"roles": ["own"], "authentication": "x509"})
    assert (found.db, found.roles, found.by_certificate) == ("$external", (("own", "admin"),), True)


@pytest.mark.parametrize(
    ("role", "told"),
    [
        ({}, "has neither of roles and creation_statements; write one of them"),
        ({"roles": [READ], **vault({"roles": []})}, "has both of roles and creation_statements"),
        ({"db": "x", **vault({"roles": []})}, "db: belongs to roles"),
        ({"roles": [READ], "db": "local"}, "db: accounts live in admin"),
        (vault({"roles": [], "db": "$external"}), "creation_statements: db: accounts live"),
        (vault({"roles": [], "db": 5}), "creation_statements: db: accounts live"),
        (vault({"db": "admin"}), "creation_statements: is no JSON document such as"),
        ({"creation_statements": "CREATE USER x"}, "creation_statements: is no JSON document"),
        (vault([]), "creation_statements: is no JSON document"),
        (vault({"roles": "read"}), "creation_statements: roles has to be a list"),
        (vault({"roles": [{"db": "app"}]}), "creation_statements: a role is its name"),
        (vault({"roles": [{**READ, "x": 1}]}), "creation_statements: a role is its name"),
        (vault({"roles": [], "pwd": "x"}), "creation_statements: has pwd; allowed are db and"),
        (vault({"roles": ["{{name}}"]}), "creation_statements: no placeholder is known in it"),
    ],
)
def test_a_fault_is_told_with_its_option(role: dict[str, Any], told: str) -> None:
    [fault] = faults(role)
    assert fault.startswith(told)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.sampled_from(["db", "roles", "role", "x"])
    return st.lists(inner) | st.dictionaries(keys, inner)


@given(st.recursive(st.none() | st.integers() | st.text(), nested))
def test_any_document_is_a_recipe_or_has_one_fault(document: Any) -> None:
    role = vault(document)
    told = faults(role)
    if told:
        with pytest.raises(BadRecipe) as fault:
            recipe(role)
        assert told == [str(fault.value)]
    else:
        found = recipe(role)
        assert found.db not in ("local", "config", "$external", "")
        assert all(name and db for name, db in found.roles)


@pytest.mark.parametrize("name", ["root", "userAdminAnyDatabase", "dbOwner"])
def test_a_role_that_makes_accounts_is_warned_about(name: str) -> None:
    assert lint({"roles": [READ]}) == []
    assert lint({"roles": "no list"}) == []
    [warning] = lint({"roles": [READ, {"role": name, "db": "app"}]})
    assert warning.startswith(f"roles: {name} lets the account make accounts of its own")
    [warning] = lint(vault({"roles": [name]}))
    assert warning.startswith("creation_statements: ")
