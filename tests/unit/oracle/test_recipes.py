"""No name, password or option leaves its place in a statement, as an independent reader sees it.

sqlglot's tokenizer and parser of Oracle's dialect stand in for the database's own.
"""

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from leasehold_plugins.oracle import recipes
from leasehold_plugins.oracle.statements import BadStatement, Values, account, identifier, literal

HOSTILE = st.one_of(
    st.text("ab'[];-/*{}%\\$& \u00e4\u20ac", min_size=1, max_size=20),
    st.text(min_size=1, max_size=20).filter(lambda it: it.isprintable() and '"' not in it),
    st.sampled_from(["x; DROP USER sys", "'; --", "--", "/*", "q'[", "''", "/", "@"]),
)
REFUSED = st.text(min_size=1).filter(lambda it: not it.isprintable()) | st.just('a"b')
PLAIN = st.from_regex(r"[A-Za-z][A-Za-z0-9_$#]{0,20}", fullmatch=True)


def tokens(statement: str) -> list[tuple[str, str]]:
    return [(it.token_type.name, it.text) for it in sqlglot.tokenize(statement, read="oracle")]


def names(statement: str) -> list[str]:
    return [text for kind, text in tokens(statement) if kind == "IDENTIFIER"]


def texts(statement: str) -> list[str]:
    return [text for kind, text in tokens(statement) if kind == "STRING"]


def is_one(statement: str) -> bool:
    found = sqlglot.parse(statement, read="oracle")
    return len(found) == 1 and found[0] is not None


@given(HOSTILE)
def test_a_name_is_one_name_in_capitals_and_a_text_one_text(value: str) -> None:
    assert tokens(account(value)) == [("IDENTIFIER", value.upper())]
    assert tokens(literal(value)) == [("STRING", value)]


@given(REFUSED)
def test_what_no_quotes_can_hold_is_refused(value: str) -> None:
    with pytest.raises(BadStatement):
        account(value)


@given(PLAIN, HOSTILE)
def test_a_plain_name_of_a_policy_is_in_capitals_and_a_quoted_one_is_kept(
    plain: str, other: str
) -> None:
    assert identifier(plain) == f'"{plain.upper()}"'
    assert names(identifier(f'"{other}"')) == [other]


@given(HOSTILE, HOSTILE, PLAIN, HOSTILE)
def test_an_account_is_made_and_granted(name: str, password: str, group: str, other: str) -> None:
    role = {"member_of": [group, f'"{other}"'], "profile": group, "tablespace": f'"{other}"'}
    made, granted = recipes.creation(role, Values(name=name, password=password))
    assert is_one(made)
    assert names(made) == [name.upper(), password, group.upper(), other]
    assert is_one(granted)
    assert names(granted) == [group.upper(), other, name.upper()]


@given(st.lists(HOSTILE, min_size=1, max_size=4))
def test_what_is_asked_holds_each_name(listed: list[str]) -> None:
    upper = [it.upper() for it in listed]
    assert is_one(recipes.standing(listed))
    assert texts(recipes.standing(listed)) == upper
    assert is_one(recipes.sessions(listed))
    assert texts(recipes.sessions(listed)) == ["KILLED", *upper]


@given(HOSTILE, PLAIN, HOSTILE)
def test_another_password_is_given_in_one_statement(name: str, plain: str, password: str) -> None:
    for written, meant in ((plain, plain.upper()), (f'"{name}"', name)):
        statement = recipes.password(written, password)
        assert is_one(statement)
        assert names(statement) == [meant, password]


@given(HOSTILE)
def test_each_other_statement_is_one(name: str) -> None:
    for statement in (recipes.lock(name), recipes.drop({}, name)):
        assert is_one(statement)
        assert names(statement) == [name.upper()]
    assert recipes.drop({"owned_objects": "drop"}, name).endswith('" CASCADE')
    assert is_one(recipes.page(name, 10))


@given(st.integers(1, 65535), st.integers(1, 65535), st.integers(1, 16))
def test_a_session_is_killed_on_its_instance_and_a_dying_one_is_well(
    sid: int, serial: int, instance: int
) -> None:
    block = recipes.kill(sid, serial, instance, rds=False)
    begin, _, run = block.partition("EXECUTE IMMEDIATE ")  # what follows it sqlglot does not read
    assert begin == "BEGIN "
    assert texts(run) == [f"ALTER SYSTEM KILL SESSION '{sid},{serial},@{instance}' IMMEDIATE"]
    at_rds = recipes.kill(sid, serial, instance, rds=True)
    assert f"rdsadmin.rdsadmin_util.kill(sid => {sid}, serial => {serial}," in at_rds
    for one in (block, at_rds):
        assert "IF SQLCODE NOT IN (-30, -31) THEN RAISE; END IF; END;" in one
