"""What Oracle alone does with statements; what all do is in tests/unit/test_statements.py."""

import pytest

from leasehold_plugins.oracle import OracleEngine
from leasehold_plugins.oracle.statements import EXAMPLE, render


@pytest.mark.parametrize(
    "block",
    [
        "BEGIN a; b; END;",
        "declare n number; BEGIN a; END;",
        "CREATE OR REPLACE EDITIONABLE TRIGGER t BEFORE INSERT ON u BEGIN a; END;",
    ],
)
def test_a_block_is_one_statement_to_the_end_of_its_text(block: str) -> None:
    assert render(f"SELECT 1; {block}", EXAMPLE) == ["SELECT 1", f" {block}"]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        (
            'CREATE USER {{name}} IDENTIFIED BY "{{password}}"',
            'CREATE USER "LHABCD_ABCDEFGHIJKLMNOP_ABCD" IDENTIFIED BY "an example"',
        ),
        (
            'CREATE USER "{{ username }}" IDENTIFIED BY {{password}}',
            'CREATE USER "LHABCD_ABCDEFGHIJKLMNOP_ABCD" IDENTIFIED BY "an example"',
        ),
        (
            "SELECT {{expiration}}, '{{name}}' FROM dual",
            "SELECT '2030-01-01 00:00:00', 'LHABCD_ABCDEFGHIJKLMNOP_ABCD' FROM dual",
        ),
    ],
)
def test_names_are_written_in_capitals_and_passwords_in_quotes(written: str, sent: str) -> None:
    assert render(written, EXAMPLE) == [sent]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("SELECT '{{name}}", "a quote opens and never closes"),
        ("SELECT 1 /* ", "a comment opens and never closes"),
        ("SELECT {{role}} FROM dual", "unknown placeholder {{role}}; allowed are"),
        ("SELECT q'[{{name}}]' FROM dual", "cannot stand inside of q'…'"),
        ("BEGIN a; END;\n/\nSELECT 1", "a line with / alone is SQL*Plus"),
        ("ALTER SESSION SET current_schema = x", "would change the session"),
        ("SET ROLE none", "would change the session"),
    ],
)
def test_what_cannot_work_is_told(written: str, told: str) -> None:
    [fault] = OracleEngine.faults({"creation_statements": [written]})
    assert fault.startswith("creation_statements[0]: ")
    assert told in fault


@pytest.mark.parametrize(
    ("role", "told"),
    [
        ({}, "has neither of member_of and creation_statements; write one of them"),
        (
            {"creation_statements": "SELECT 1", "profile": "p"},
            "profile: belongs to member_of; creation_statements write it themselves",
        ),
    ],
)
def test_a_recipe_that_says_too_little_or_much_is_told(role: dict[str, object], told: str) -> None:
    assert OracleEngine.faults(role) == [told]


def test_rights_of_each_account_are_warned_of() -> None:
    grant = "GRANT SELECT ON app.items TO {{name}}"
    [warning] = OracleEngine.lint({"creation_statements": ["CREATE USER {{name}}", grant]})
    assert warning.startswith("creation_statements: GRANT ON to each account")
    assert warning.endswith("grant to a role, use member_of")


@pytest.mark.parametrize("grant", ["CREATE SESSION", "app_readonly"])
def test_a_role_and_the_right_to_log_in_are_not_warned_of(grant: str) -> None:
    assert OracleEngine.lint({"creation_statements": f"GRANT {grant} TO {{{{name}}}}"}) == []
    assert OracleEngine.lint({"creation_statements": "GRANT x ON '"}) == []
