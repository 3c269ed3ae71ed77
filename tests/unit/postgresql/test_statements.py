"""Statements are split where the server splits them; a placeholder cannot leave its place."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold_plugins.postgresql.statements import (
    EXAMPLE,
    BadStatement,
    faults,
    identifier,
    literal,
    render,
    split,
)

SILENT = ["-- a;b\n", "/* a; /* b; */ c; */", " "]
SPOKEN = [
    *("SELECT 1", '"a;b"', "'a;b'", "'it''s;'", "E'\\';'", "$$ a;b $$", "$x$ $$;$$ $x$"),
    *("a$b$c", "x", "*", "$1", '"o""k;"'),
]
PIECES = st.sampled_from([*SILENT, *SPOKEN])
NASTY = st.text("abc'\"\\$;-/*{} \u00e4", max_size=12)
CREATE = 'CREATE ROLE "{{name}}" LOGIN PASSWORD'


@given(st.lists(st.lists(PIECES, max_size=4), max_size=5))
def test_a_text_is_split_at_the_semicolons_that_end_a_statement(parts: list[list[str]]) -> None:
    texts = [" ".join(pieces) for pieces in parts]
    found = split(";".join(texts))
    assert found == split(texts)
    assert len(found) == sum(any(piece in SPOKEN for piece in pieces) for pieces in parts)


@given(NASTY)
def test_a_value_stays_inside_its_quotes(value: str) -> None:
    values = {**EXAMPLE, "name": value}
    [statement] = split(render("X \"{{name}}\" '{{name}}' E'{{name}}' {{name}} Y", values))
    quoted = [token.kind for token in statement if token.kind != "code"]
    assert quoted == ["identifier", "literal", "escaped", "identifier"]


@given(NASTY)
def test_a_quoted_name_or_text_is_one_token(value: str) -> None:
    for quoted in (identifier(value), literal(value)):
        [[token]] = split(quoted)
        assert token.text == quoted


@given(st.text(max_size=40) | st.lists(PIECES | st.just("{{name}}")).map("".join))
def test_any_text_is_rendered_or_has_a_fault(text: str) -> None:
    if found := faults(text):
        with pytest.raises(BadStatement, match=re.escape(found[0])):
            render(text, EXAMPLE)
    else:
        assert "{{name}}" not in " ".join(render(text, EXAMPLE))


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
