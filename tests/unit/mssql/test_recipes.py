"""No name, password or option leaves its place in a statement, as an independent reader sees it.

sqlglot's T-SQL tokenizer and parser stand in for the server's own.
"""

from typing import Any

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from leasehold_plugins.mssql import recipes
from leasehold_plugins.mssql.recipes import User
from leasehold_plugins.mssql.statements import BadStatement, Values, identifier, literal

HOSTILE = st.one_of(
    st.text("ab'\"[];-/*{}%\\$ \u00e4\u20ac", min_size=1, max_size=20),
    st.text(min_size=1, max_size=20).filter(str.isprintable),
    st.sampled_from(["]; DROP LOGIN [sa", "'; SHUTDOWN --", "--", "/*", "N'", "]]", "''", "GO"]),
)
UNSHOWN = st.text(min_size=1).filter(lambda text: not text.isprintable())


def tokens(statement: str) -> list[tuple[str, str]]:
    return [(it.token_type.name, it.text) for it in sqlglot.tokenize(statement, read="tsql")]


def names(statement: str) -> list[str]:
    return [text for kind, text in tokens(statement) if kind == "IDENTIFIER"]


def texts(statement: str) -> list[str]:
    return [text for kind, text in tokens(statement) if kind == "NATIONAL_STRING"]


def is_one(statement: str, count: int = 1) -> bool:
    found = sqlglot.parse(statement, read="tsql")
    return len(found) == count and all(found)


@given(HOSTILE)
def test_a_quoted_name_is_one_name_and_a_text_one_text(value: str) -> None:
    assert tokens(identifier(value)) == [("IDENTIFIER", value)]
    assert tokens(literal(value)) == [("NATIONAL_STRING", value)]


@given(UNSHOWN)
def test_what_cannot_be_shown_is_refused(value: str) -> None:
    for quote in (identifier, literal):
        with pytest.raises(BadStatement):
            quote(value)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_a_login_is_made_with_its_users(name: str, password: str, db: str, group: str) -> None:
    role = {"member_of": [group], "databases": [db]}
    values = Values(name=name, password=password)
    login, user = recipes.creation(role, values, "home", contained=False)
    assert is_one(login)
    assert names(login) == [name, db]
    assert texts(login) == [password]
    assert is_one(user)
    assert names(user) == [db]
    [inner] = texts(user)
    assert is_one(inner, 2)
    assert names(inner) == [name, name, group, name]


@given(HOSTILE)
def test_a_verifier_stands_in_the_passwords_place(name: str) -> None:
    values = Values(name=name, password="clear", verifier="0x0200ab")
    login, _ = recipes.creation({"member_of": ["r"]}, values, "home", contained=False)
    assert "WITH PASSWORD = 0x0200ab HASHED," in login
    assert "clear" not in login


@given(HOSTILE, HOSTILE, HOSTILE)
def test_a_contained_user_is_made(name: str, password: str, group: str) -> None:
    values = Values(name=name, password=password, verifier="0x0200ab")
    made, joined = recipes.creation({"member_of": [group]}, values, "home", contained=True)
    assert (names(made), texts(made)) == ([name], [password])
    assert names(joined) == [group, name]
    assert is_one(made)
    assert is_one(joined)


@given(st.lists(HOSTILE, min_size=1, max_size=4), HOSTILE, HOSTILE)
def test_what_is_asked_and_what_takes_away_holds_each_name(
    listed: list[str], one: str, other: str
) -> None:
    for query in (
        recipes.standing(listed, contained=False),
        recipes.standing(listed, contained=True),
        recipes.sessions(listed),
    ):
        assert is_one(query)
        assert texts(query) == listed
    query = recipes.users(listed, [one, other])
    assert is_one(query)
    assert texts(query) == [one, *listed, *listed, other, *listed, *listed]
    users = [User(database="d", name=it, account=it) for it in listed]
    assert names(recipes.drop_users(users)) == listed
    assert names(recipes.drop_logins(listed)) == listed
    assert is_one(recipes.drop_logins(listed), len(listed))


@given(HOSTILE, HOSTILE, HOSTILE)
def test_another_password_is_given_in_one_statement(name: str, password: str, old: str) -> None:
    for given_by in ((password,), (password, old)):
        made = recipes.password_of_user(name, *given_by)
        assert (names(made), texts(made)) == ([name], [*given_by])
        login = recipes.password_of_login(name, literal(password), *given_by[1:])
        assert (names(login), texts(login)) == ([name], [*given_by])
    hashed = recipes.password_of_login(name, "0x0200ab HASHED")
    assert hashed == f"ALTER LOGIN {identifier(name)} WITH PASSWORD = 0x0200ab HASHED"
    state = recipes.login_state(name)
    assert is_one(state)
    assert texts(state) == [name]


@given(HOSTILE, HOSTILE, HOSTILE)
def test_each_other_statement_is_one(name: str, thing: str, heir: str) -> None:
    assert names(recipes.disable(name, thing, contained=False)) == [name]
    contained = recipes.disable(name, thing, contained=True)
    assert (names(contained), texts(contained)) == ([name], [thing])
    assert names(recipes.reassign("OBJECT", thing, name, heir)) == [thing, name, heir]
    assert names(recipes.reassign("SCHEMA", None, thing, heir)) == [thing, heir]
    assert is_one(recipes.owned(name))
    assert texts(recipes.known(name)) == [name]
    assert is_one(recipes.known(name))
    assert is_one(recipes.page(name, 10, contained=True))
    assert is_one(recipes.kill(51))


@given(HOSTILE)
def test_a_thing_of_unknown_kind_is_not_given_away(kind: str) -> None:
    with pytest.raises(BadStatement):
        recipes.reassign(kind, None, "thing", "heir")


@pytest.mark.parametrize("role", [{}, {"databases": ["a", "b"]}])
def test_a_role_without_databases_has_the_one_of_the_url(role: dict[str, Any]) -> None:
    assert list(recipes.databases_of(role, "home")) == (role.get("databases") or ["home"])
