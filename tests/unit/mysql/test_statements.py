"""What MySQL and MariaDB do with statements; what all do is in tests/unit/test_statements.py."""

import re
from dataclasses import replace

import pytest

from leasehold_plugins.mysql.statements import (
    EXAMPLE,
    faults,
    render,
    sends_password,
)

NATIVE = "*DD604BC5DCD2694F75FF01997E23EBB5098AD15D"


def test_a_text_with_a_block_is_one_statement() -> None:
    text = "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN SELECT 1; SELECT 2; END"
    assert render(text, EXAMPLE) == [text]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        (
            "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}' ACCOUNT LOCK",
            f"CREATE USER '{EXAMPLE.name}'@'%' IDENTIFIED WITH mysql_native_password AS '{NATIVE}'"
            " ACCOUNT LOCK",
        ),
        (
            'alter user {{username}} identified  by "{{ password }}"',
            f"alter user `{EXAMPLE.name}` IDENTIFIED WITH mysql_native_password AS '{NATIVE}'",
        ),
        (
            "CREATE USER {{name}} IDENTIFIED WITH 'mysql_native_password' BY '{{password}}'",
            f"CREATE USER `{EXAMPLE.name}` IDENTIFIED WITH mysql_native_password AS '{NATIVE}'",
        ),
        ("SELECT set_hash({{verifier}})", f"SELECT set_hash('{NATIVE}')"),
        (
            "ALTER USER x PASSWORD EXPIRE INTERVAL {{expire_days}} DAY -- {{expires}}",
            "ALTER USER x PASSWORD EXPIRE INTERVAL 1 DAY  ",
        ),
        ("SELECT {{expiration}}", "SELECT '2030-01-01 00:00:00'"),
    ],
)
def test_a_verifier_stands_where_the_server_takes_one(written: str, sent: str) -> None:
    assert [text.rstrip() for text in render(written, EXAMPLE)] == [sent.rstrip()]
    assert not sends_password(written)


@pytest.mark.parametrize(
    "text",
    [
        "SET PASSWORD FOR '{{name}}'@'%' = PASSWORD('{{password}}')",
        "CREATE USER {{name}} IDENTIFIED WITH sha256_password BY '{{password}}'",
        "CREATE USER {{name}} IDENTIFIED VIA ed25519 USING PASSWORD('{{password}}')",
        "CREATE USER {{name}} IDENTIFIED BY 'x{{password}}'",
        "INSERT INTO users VALUES ('{{password}}')",
    ],
)
def test_a_clear_password_is_sent_only_where_no_verifier_can_stand(text: str) -> None:
    assert sends_password(text)
    assert faults(text) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("CREATE USER {{nmae}}", "unknown placeholder {{nmae}}; allowed are {{expiration}}"),
        ("SELECT 'a; SELECT 1", "a quote opens and never closes: 'a; SELECT 1"),
        ("DROP USER `{{name}}", "never closes: `{{name}}"),
        ("/* a SELECT 1", "a comment opens and never closes"),
        ("/*!50000 SELECT 1 */", "a comment that servers run (/*!) is not read"),
        ("/*M! SELECT 1 */", "a comment that servers run (/*!) is not read"),
        ("SET sql_mode = ''", "would change the session"),
        ("use app", "would change the session"),
        ("BEGIN", "would change the session"),
    ],
)
def test_what_cannot_be_run_is_told(text: str, words: str) -> None:
    [fault] = faults(text)
    assert words in fault


@pytest.mark.parametrize(
    "text",
    [
        "SET PASSWORD FOR x = '{{verifier}}'",
        "SET DEFAULT ROLE r FOR {{name}}",
        "SET GLOBAL event_scheduler = ON",
        "BEGIN NOT ATOMIC SELECT 1; END",
    ],
)
def test_what_leaves_the_session_as_it_was_may_be_set(text: str) -> None:
    assert faults(text) == []


def test_after_an_account_was_made_nothing_is_known_of_its_password() -> None:
    values = replace(EXAMPLE, password="")
    assert render("X '{{verifier}}' '{{password}}'", values) == ["X '' ''"]


def test_the_example_is_what_the_tests_above_expect() -> None:
    assert re.fullmatch(r"\*[0-9A-F]{40}", EXAMPLE.verifier("mysql_native_password"))
