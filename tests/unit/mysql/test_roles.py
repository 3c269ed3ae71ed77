"""What is wrong with a role, and what will hurt, is told before anything is made."""

from typing import Any

import pytest

from leasehold_plugins.mysql import MysqlEngine

CREATE = "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'"
EXPIRES = f"{CREATE} PASSWORD EXPIRE INTERVAL {{{{expire_days}}}} DAY"


@pytest.mark.parametrize(
    ("role", "fault"),
    [
        ({}, "has neither of member_of and creation_statements; write one of them"),
        (
            {"member_of": ["r"], "creation_statements": CREATE},
            "has both of member_of and creation_statements; write one of them",
        ),
        (
            {"host": "10.%", "creation_statements": CREATE},
            "host: belongs to member_of; creation_statements write the host themselves",
        ),
        (
            {"creation_statements": [CREATE, "GRANT SELECT ON app.* TO {{nmae}}"]},
            "creation_statements[1]: unknown placeholder {{nmae}}",
        ),
        (
            {"member_of": ["r"], "revocation_statements": "USE app"},
            "revocation_statements: would change the session for what comes after it: USE app",
        ),
    ],
)
def test_a_fault_is_told_with_its_option(role: dict[str, Any], fault: str) -> None:
    [found] = MysqlEngine.faults(role)
    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("role", "warning"),
    [
        ({"creation_statements": CREATE}, "set no PASSWORD EXPIRE INTERVAL {{expire_days}} DAY"),
        (
            {"creation_statements": [EXPIRES, "CALL tell('{{password}}')"]},
            "{{password}} stands where no verifier can",
        ),
        (
            {"creation_statements": [EXPIRES, "GRANT SELECT ON app.* TO '{{name}}'@'%'"]},
            "GRANT ON to each account; with 5,000 such accounts",
        ),
    ],
)
def test_what_will_hurt_is_told(role: dict[str, Any], warning: str) -> None:
    assert MysqlEngine.faults(role) == []
    [found] = MysqlEngine.lint(role)
    assert found.startswith("creation_statements: ")
    assert warning in found


@pytest.mark.parametrize(
    "role",
    [
        {"member_of": ["r"]},
        {"member_of": ["r"], "host": "10.%", "definer_objects": "leave"},
        {"creation_statements": EXPIRES, "renew_statements": "SELECT {{expires}}"},
        {"creation_statements": [EXPIRES, "GRANT readers TO '{{name}}'@'%'"]},
    ],
)
def test_a_sound_role_is_let_be(role: dict[str, Any]) -> None:
    assert MysqlEngine.faults(role) == []
    assert MysqlEngine.lint(role) == []


def test_a_broken_statement_is_a_fault_and_no_warning() -> None:
    role = {"creation_statements": "CREATE USER 'x"}
    assert len(MysqlEngine.faults(role)) == 1
    assert MysqlEngine.lint(role) == []
