"""What PostgreSQL alone does with statements; what all do is in tests/unit/test_statements.py."""

import pytest

from leasehold_plugins.postgresql.statements import (
    EXAMPLE,
    faults,
    render,
)

CREATE = 'CREATE ROLE "{{name}}" LOGIN PASSWORD'


@pytest.mark.parametrize(
    "text",
    [
        f"{CREATE} '{{{{password}}}}'",
        f"{CREATE} {{{{password}}}} VALID UNTIL '{{{{expiration}}}}'",
        "alter user {{username}} encrypted password '{{ password }}'",
        "SELECT set_password('{{name}}', '{{verifier}}')",
    ],
)
def test_the_verifier_stands_where_the_server_takes_one(text: str) -> None:
    [rendered] = render(text, EXAMPLE)
    assert f"'{EXAMPLE['verifier']}'" in rendered


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT f('{{password}}')", "takes no SCRAM verifier"),
        (f"{CREATE} 'x{{{{password}}}}'", "takes no SCRAM verifier"),
        (f"{CREATE} 'x' CONNECTION LIMIT {{{{password}}}}", "takes no SCRAM verifier"),
        ("SELECT PASSWORD '{{password}}'", "takes no SCRAM verifier"),
        ("CREATE ROLE {{nmae}}", "unknown placeholder {{nmae}}; allowed are {{expiration}}"),
        ('ALTER ROLE {{name}} VALID UNTIL "{{expiration}}"', "write '{{expiration}}'"),
        ("DO $$ PERFORM '{{verifier}}' $$", "cannot stand inside a dollar-quoted text"),
        ("SELECT 'a; SELECT 1", "a quote opens and never closes: 'a; SELECT 1"),
        ('DROP ROLE "{{name}}', 'never closes: "{{name}}'),
        ("DO $x$ BEGIN; END $y$", "never closes: $x$ BEGIN"),
        ("/* a /* b */ SELECT 1", "a comment opens and never closes"),
    ],
)
def test_what_cannot_be_rendered_is_told(text: str, words: str) -> None:
    [fault] = faults(text)
    assert words in fault
