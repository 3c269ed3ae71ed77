"""What a policy is told of options that do not go together."""

import pytest

from leasehold.bundle import UnixMatch
from leasehold.engines.catalog import installed_engine_types
from leasehold.methods.catalog import installed_method_types
from leasehold.policy.load import load

POLICY = """\
engines:
  search:
    type: elasticsearch
    connection: {{url: "https://search.internal", {connection}}}
roles:
  search/reader: {{{role}}}
identities:
  shop: {{owner: shop, tenant: shop, match: [{{unix: {{uid: 1}}}}]}}
access:
  - {{identities: [shop], paths: [search/creds/*], verbs: [issue]}}
"""
USER = "username: leasehold, password: 'env:X'"


def told(connection: str = USER, role: str = "roles: [reader]") -> list[str]:
    text = POLICY.format(connection=connection, role=role)
    loaded = load(
        [("search.yaml", text.encode())],
        installed_engine_types(),
        lambda match: UnixMatch(uid=1),
        installed_method_types(),
    )
    return [problem.line().partition(": ")[2] for problem in (*loaded.problems, *loaded.warnings)]


@pytest.mark.parametrize(
    "connection",
    [
        "nodes: ['https://a']",
        "username: x",
        "api_key: 'env:X', username: x",
        f"{USER}, api_key: 'env:X'",
    ],
)
def test_an_administrator_has_a_password_or_a_key(connection: str) -> None:
    assert told(connection) == [
        "engines.search.connection: found a map; allowed is one with username and password, or"
        " with api_key alone"
    ]


@pytest.mark.parametrize("connection", [USER, "api_key: 'env:X'"])
def test_either_is_fine(connection: str) -> None:
    assert told(connection) == []


def test_an_api_key_never_stands_in_clear() -> None:
    [line] = told("api_key: correct-horse")
    assert "a secret stands in clear" in line
    assert "correct-horse" not in line


def test_an_api_key_without_rights_would_have_all_of_its_maker_and_is_refused() -> None:
    assert told(role="role_descriptors: {}") == ["roles.search/reader.role_descriptors: is empty"]


def test_a_right_that_is_misspelt_is_told_with_the_nearest() -> None:
    [line] = told(role="role_descriptors: {x: {indexes: []}}")
    assert line.endswith("did you mean indices?")
