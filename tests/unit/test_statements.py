"""In every SQL, statements are split where the server splits them; a value stays in its place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.plugin.statements import BadStatement
from leasehold_plugins.mssql import statements as mssql
from leasehold_plugins.mysql import statements as mysql
from leasehold_plugins.oracle import statements as oracle
from leasehold_plugins.postgresql import statements as postgresql


@dataclass(frozen=True, kw_only=True)
class Sql:
    """A dialect, and how one writes in it.

    Of texts with `silent` pieces only nothing is left; `spoken` ones are statements. `places` has
    {{name}} in each kind of token, `kinds`. `quotes` make one token of a text.
    """

    module: ModuleType
    silent: tuple[str, ...]
    spoken: tuple[str, ...]
    nasty: str
    places: str
    kinds: tuple[str, ...]
    quotes: tuple[Callable[[str], str], ...]

    def named(self, name: str) -> Any:
        """The values of the example, with another name."""
        if isinstance(self.module.EXAMPLE, Mapping):
            return {**self.module.EXAMPLE, "name": name}
        return replace(self.module.EXAMPLE, name=name)


SQLS = {
    "postgresql": Sql(
        module=postgresql,
        silent=("-- a;b\n", "/* a; /* b; */ c; */", " "),
        spoken=(
            *("SELECT 1", '"a;b"', "'a;b'", "'it''s;'", "E'\\';'", "$$ a;b $$", "$x$ $$;$$ $x$"),
            *("a$b$c", "x", "*", "$1", '"o""k;"'),
        ),
        nasty="abc'\"\\$;-/*{} \u00e4",
        places="X \"{{name}}\" '{{name}}' E'{{name}}' {{name}} Y",
        kinds=("identifier", "literal", "escaped", "identifier"),
        quotes=(postgresql.identifier, postgresql.literal),
    ),
    "mysql": Sql(
        module=mysql,
        silent=("-- a;b\n", "# a;b\n", "/* a; */", " "),
        spoken=(
            *("SELECT 1", '"a;b"', "'a;b'", "'it''s;'", r"'\';'", '"\\";"', "`a``;b`"),
            *("a$b", "x", "*", "5--3", "a-b"),
        ),
        nasty="abc'\"\\`;-#/*{} \0\u00e4",
        places="X `{{name}}` '{{name}}' \"{{name}}\" {{name}} Y",
        kinds=("identifier", "literal", "text", "identifier"),
        quotes=(mysql.identifier, mysql.literal),
    ),
    "mssql": Sql(
        module=mssql,
        silent=("-- a;b\n", "/* a; /* b; */ */", " "),
        spoken=(
            *("SELECT 1", '"a;b"', "'a;b'", "'it''s;'"),
            *("[a]];b]", "[it's]", "@a", "x", "*", "5"),
        ),
        nasty="abc'\"[]\\;-/*{}\u00e4",
        places="X [{{name}}] '{{name}}' \"{{name}}\" {{name}} Y",
        kinds=("bracket", "literal", "identifier", "bracket"),
        quotes=(mssql.identifier, lambda text: mssql.literal(text).removeprefix("N")),
    ),
    "oracle": Sql(
        module=oracle,
        silent=("-- a;b\n", "/* a; /* b; */", " "),
        spoken=(
            *("SELECT 1", '"a;b"', "'a;b'", "'it''s;'"),
            *("q'[it's;]'", "nq'!a;b!'", ":a", "x", "*"),
        ),
        nasty="abc'[]\\;-/*{}\u00e4",
        places="X \"{{name}}\" '{{name}}' {{name}} Y",
        kinds=("identifier", "literal", "identifier"),
        quotes=(oracle.quoted, oracle.literal),
    ),
}
RUNNABLE = ("would change the session", "GO is", "a line with / alone")
"""How faults begin of what can be rendered, and is not to be run all the same."""
in_every_sql = pytest.mark.parametrize("sql", SQLS.values(), ids=SQLS)


@in_every_sql
@given(data=st.data())
def test_a_text_is_split_at_the_semicolons_that_end_a_statement(
    sql: Sql, data: st.DataObject
) -> None:
    pieces = st.sampled_from([*sql.silent, *sql.spoken])
    parts = data.draw(st.lists(st.lists(pieces, max_size=4), max_size=5))
    texts = [" ".join(some) for some in parts]
    found = sql.module.split(";".join(texts))
    assert found == sql.module.split(texts)
    assert len(found) == sum(any(piece in sql.spoken for piece in some) for some in parts)


@in_every_sql
@given(data=st.data())
def test_a_value_stays_inside_its_quotes(sql: Sql, data: st.DataObject) -> None:
    values = sql.named(data.draw(st.text(sql.nasty, max_size=12)))
    [statement] = sql.module.split(sql.module.render(sql.places, values))
    assert tuple(token.kind for token in statement if token.kind != "code") == sql.kinds


@in_every_sql
@given(data=st.data())
def test_a_quoted_name_or_text_is_one_token(sql: Sql, data: st.DataObject) -> None:
    value = data.draw(st.text(sql.nasty, max_size=12))
    for quote in sql.quotes:
        [[token]] = sql.module.split(quote(value))
        assert token.text == quote(value)


@in_every_sql
@given(data=st.data())
def test_any_text_is_rendered_or_has_a_fault(sql: Sql, data: st.DataObject) -> None:
    pieces = st.sampled_from([*sql.silent, *sql.spoken, "{{name}}", "{{nmae}}", "'", ";"])
    text = data.draw(st.text(max_size=40) | st.lists(pieces).map("".join))
    told, rendered = [], []
    try:
        rendered = sql.module.render(text, sql.module.EXAMPLE)
    except BadStatement as fault:
        told = [fault.reason]
    assert "{{name}}" not in " ".join(rendered)
    others = [it for it in sql.module.faults(text) if not it.startswith(RUNNABLE)]
    assert others == told
