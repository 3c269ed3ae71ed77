"""Statements are split where the server splits them; a placeholder cannot leave its place."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold_plugins.mssql import MssqlEngine
from leasehold_plugins.mssql.statements import (
    EXAMPLE,
    BadStatement,
    faults,
    render,
    split,
)

SILENT = ["-- a;b\n", "/* a; /* b; */ */", " "]
SPOKEN = ["SELECT 1", '"a;b"', "'a;b'", "'it''s;'", "[a]];b]", "[it's]", "@a", "x", "*", "5"]
PIECES = st.sampled_from([*SILENT, *SPOKEN])
NASTY = st.text("abc'\"[]\\;-/*{}\u00e4", max_size=12)


@given(st.lists(st.lists(PIECES, max_size=4), max_size=5))
def test_a_text_is_split_at_the_semicolons_that_end_a_statement(parts: list[list[str]]) -> None:
    texts = [" ".join(pieces) for pieces in parts]
    found = split(";".join(texts))
    assert found == split(texts)
    assert len(found) == sum(any(piece in SPOKEN for piece in pieces) for pieces in parts)


@given(NASTY)
def test_a_value_stays_inside_its_quotes(value: str) -> None:
    values = replace(EXAMPLE, name=value)
    [statement] = split(render("X [{{name}}] '{{name}}' \"{{name}}\" {{name}} Y", values))
    quoted = [token.kind for token in statement if token.kind != "code"]
    assert quoted == ["bracket", "literal", "identifier", "bracket"]


@given(st.text(max_size=40) | st.lists(PIECES | st.just("{{name}}")).map("".join))
def test_any_text_is_rendered_or_has_a_fault(text: str) -> None:
    found = faults(text)
    if found and not found[0].startswith(("would change", "GO is")):
        with pytest.raises(BadStatement, match=re.escape(found[0])):
            render(text, EXAMPLE)
    else:
        assert "{{name}}" not in " ".join(render(text, EXAMPLE))


def test_a_text_with_a_block_is_one_statement() -> None:
    text = "IF 1 = 1 BEGIN SELECT 1; SELECT 2; END"
    assert render(text, EXAMPLE) == [text]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        (
            "CREATE LOGIN [{{name}}] WITH PASSWORD = '{{password}}', CHECK_POLICY = OFF",
            f"CREATE LOGIN [{EXAMPLE.name}] WITH PASSWORD = 0x0200 HASHED, CHECK_POLICY = OFF",
        ),
        (
            "create login {{username}} with password=N'{{ password }}'",
            f"create login [{EXAMPLE.name}] with password=0x0200 HASHED",
        ),
        (
            "CREATE LOGIN {{name}} WITH PASSWORD = {{password}}",
            f"CREATE LOGIN [{EXAMPLE.name}] WITH PASSWORD = 0x0200 HASHED",
        ),
        (
            "CREATE USER [{{name}}] WITH PASSWORD = '{{password}}'",
            f"CREATE USER [{EXAMPLE.name}] WITH PASSWORD = 'an example'",
        ),
        ("SELECT {{verifier}}, {{expiration}}", "SELECT 0x0200, N'2030-01-01T00:00:00'"),
    ],
)
def test_the_password_of_a_login_is_sent_as_its_verifier(written: str, sent: str) -> None:
    assert render(written, EXAMPLE) == [sent]


def test_where_no_verifier_is_taken_the_password_is_sent() -> None:
    [sent] = render("CREATE LOGIN x WITH PASSWORD = '{{password}}'", replace(EXAMPLE, verifier=""))
    assert sent == "CREATE LOGIN x WITH PASSWORD = 'an example'"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("SELECT '{{name}}", "a quote opens and never closes"),
        ("SELECT [a", "a quote opens and never closes"),
        ("SELECT 1 /* /* */", "a comment opens and never closes"),
        ("SELECT {{role}}", "unknown placeholder {{role}}; allowed are"),
        ("SELECT '{{verifier}}'", "write it without quotes"),
        ("SELECT 1\nGO\nSELECT 2", "GO is a command of sqlcmd"),
        ("SET QUOTED_IDENTIFIER OFF", "would change the session"),
        ("BEGIN TRANSACTION", "would change the session"),
        ("EXECUTE AS USER = 'dbo'", "would change the session"),
    ],
)
def test_what_cannot_work_is_told(written: str, told: str) -> None:
    [fault] = MssqlEngine.faults({"creation_statements": [written]})
    assert fault.startswith("creation_statements[0]: ")
    assert told in fault


@pytest.mark.parametrize(
    ("role", "told"),
    [
        ({}, "has neither of member_of and creation_statements; write one of them"),
        (
            {"creation_statements": "SELECT 1", "databases": ["a"]},
            "databases: belongs to member_of; creation_statements go into databases by USE",
        ),
        (
            {"member_of": ["a\u200bb"]},
            "member_of: 'a\\u200bb' holds a character that cannot be shown",
        ),
    ],
)
def test_a_recipe_that_says_too_little_or_much_is_told(role: dict[str, object], told: str) -> None:
    assert MssqlEngine.faults(role) == [told]


@pytest.mark.parametrize("group", ["db_owner", "DB_AccessAdmin"])
def test_who_may_make_users_of_its_own_is_warned_of(group: str) -> None:
    [warning] = MssqlEngine.lint({"member_of": [group]})
    assert "outlive the account" in warning
    assert MssqlEngine.lint({"member_of": ["app_readonly"]}) == []
