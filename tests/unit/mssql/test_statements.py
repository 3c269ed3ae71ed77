"""What SQL Server alone does with statements; what all do is in tests/unit/test_statements.py."""

from dataclasses import replace

import pytest

from leasehold_plugins.mssql import MssqlEngine
from leasehold_plugins.mssql.statements import EXAMPLE, render


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


@pytest.mark.parametrize(
    "grant", ["GRANT SELECT ON SCHEMA::dbo TO [{{name}}]", "use app; grant x to y"]
)
def test_rights_of_each_account_are_warned_of(grant: str) -> None:
    [warning] = MssqlEngine.lint({"creation_statements": ["CREATE USER {{name}}", grant]})
    assert warning.startswith("creation_statements: GRANT to each account")
    assert warning.endswith("grant to a database role, use member_of")


def test_membership_in_a_database_role_is_not_warned_of() -> None:
    joins = "USE app; ALTER ROLE app_readonly ADD MEMBER [{{name}}]"
    assert MssqlEngine.lint({"creation_statements": joins}) == []
    assert MssqlEngine.lint({"creation_statements": "GRANT '"}) == []
