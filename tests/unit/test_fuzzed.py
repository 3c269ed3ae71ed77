"""T36: whatever stands where we read, it is read or refused. LEASEHOLD_EXAMPLES says how often.

A coverage-guided fuzzer can drive each property too: `property.hypothesis.fuzz_one_input` takes
bytes.
"""

import contextlib
import os
import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlglot
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fakes.clock import FakeClock
from fakes.leases import START_MS, a_lease, an_event
from fakes.policies import loaded
from leasehold.errors import Unavailable
from leasehold.events.audit import FileAudit
from leasehold.events.audit_line import GENESIS
from leasehold.events.audit_verify import verify_audit
from leasehold.leases.names import AccountNames, Mark, middle_of, new_lease_id
from leasehold.leases.sqlite_rows import Rows
from leasehold.plugin.statements import BadStatement
from leasehold.record import LEASE_FIELDS
from leasehold_plugins.mysql import statements as mysql
from leasehold_plugins.postgresql import statements as postgresql

often = settings(max_examples=int(os.environ.get("LEASEHOLD_EXAMPLES", "100")))
KEY = b"k" * 32

# Statements of a role.

PIECES = {
    "postgres": (
        postgresql,
        (
            *("CREATE ROLE", "LOGIN", "1", "(", ")", ",", "*", "x.y", "a = b", "-- c {{name}}\n"),
            *("{{name}}", '"{{name}}"', '"a_{{name}}"', "'{{name}}'", "'it''s {{name}}'", ";"),
            *("CREATE ROLE x PASSWORD '{{password}}'", "'{{expiration}}'", "/* {{name}} */", "$1"),
        ),
        "ab'\"\\$;-/*{} \u00e4`#",
    ),
    "mysql": (
        mysql,
        (
            *("CREATE USER", "1", "(", ")", ",", "*", "x.y", "a = b", "-- c {{name}}\n", "@'%'"),
            *("'{{name}}'", "`{{name}}`", "`a_{{name}}`", "'it''s {{name}}'", ";", "# {{name}}\n"),
            *("'{{password}}'", "/* {{name}} */", '"{{name}}"'),
        ),
        "ab'\"\\;-/*{} \u00e4`#",
    ),
}


def tokens(module: ModuleType, dialect: str, text: str, name: str) -> list[list[str]]:
    """What another tokenizer sees in each statement of `text`, filled for an account `name`.

    None at all of what is refused.
    """
    example = module.EXAMPLE
    values = {**example, "name": name} if isinstance(example, dict) else replace(example, name=name)
    try:
        filled = module.render(text, values)
    except BadStatement:
        return []
    return [
        [token.token_type.name for token in sqlglot.tokenize(statement, read=dialect)]
        for statement in filled
    ]


@pytest.mark.parametrize("dialect", PIECES)
@often
@given(data=st.data())
def test_a_name_changes_no_token_that_another_tokenizer_sees(
    dialect: str, data: st.DataObject
) -> None:
    module, pieces, nasty = PIECES[dialect]
    text = " ".join(data.draw(st.lists(st.sampled_from(pieces), max_size=8)))
    name = data.draw(st.text(nasty, min_size=1, max_size=12))
    plain = tokens(module, dialect, text, "abc")
    assert tokens(module, dialect, text, name) == plain
    assert not any("SEMICOLON" in statement for statement in plain)


# Policies.

POLICY = """\
engines:
  one: {type: fake, mount: db, connection: {host: h, port: 5}}
roles:
  one/app: {group: app, default_ttl: 1h, max_ttl: 1d}
identities:
  anna: {owner: o, tenant: t, match: [{unix: {uid: 1}}]}
access:
  - {identities: [anna], paths: [db/creds/app], verbs: [issue]}
"""
FRAGMENTS = (
    *("\n", "  ", "\t", ": ", "- ", "[", "]", "{", "}", "&a", "*a", "!t ", "<<: ", "---\n", "'"),
    *('"', "|", ">", "%", "@", "#", "?", ",", "~", "1e3", "-1", "no", "\0", "\ufeff", "\u202e"),
)
edits = st.lists(
    st.tuples(st.integers(0, len(POLICY)), st.integers(0, 9), st.sampled_from(FRAGMENTS)),
    max_size=4,
)


@often
@given(edits)
@example([(0, 0, "?")])
def test_a_policy_with_anything_in_it_is_a_bundle_or_has_problems(
    changes: list[tuple[int, int, str]],
) -> None:
    text = POLICY
    for at, gone, fragment in changes:
        text = text[:at] + fragment + text[at + gone :]
    result = loaded({"f": text})
    assert (result.bundle is None) == bool(result.problems)
    assert all("\n" not in problem.line() for problem in result.problems)


# The audit.


def _book() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        audit = FileAudit(path, KEY, head=GENESIS, wall=FakeClock().wall, boot="boot")
        audit.append([an_event(number) for number in range(4)])
        audit.close()
        return path.read_bytes()


BOOK = _book()
cuts = st.tuples(st.integers(0, len(BOOK)), st.integers(0, 300), st.binary(max_size=20))


@often
@given(st.binary() | st.lists(cuts, min_size=1, max_size=3))
def test_an_audit_of_any_bytes_is_what_was_written_or_has_findings(
    what: bytes | list[tuple[int, int, bytes]],
) -> None:
    data = what if isinstance(what, bytes) else BOOK
    for at, gone, fresh in [] if isinstance(what, bytes) else what:
        data = data[:at] + fresh + data[at + gone :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        path.write_bytes(data)
        report = verify_audit(path, KEY, lambda: None)
    whole = data[: data.rfind(b"\n") + 1]
    assert BOOK.startswith(whole) or report.findings
    assert all("\n" not in finding.why for finding in report.findings)


# Rows of the ledger.

ROWS = Rows(KEY)
COLUMNS = (*LEASE_FIELDS, "mac")
values = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.binary()


@often
@given(st.lists(st.tuples(st.sampled_from(COLUMNS), values), min_size=1, max_size=3))
def test_a_row_of_any_values_is_what_was_written_or_is_damaged(
    changes: list[tuple[str, Any]],
) -> None:
    lease = a_lease(1)
    good = dict(zip(COLUMNS, ROWS.values(lease), strict=True))
    row = {**good, **dict(changes)}
    assume(all(not isinstance(it, str) or it.isprintable() for it in row.values()))
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.row_factory = sqlite3.Row
        names = ", ".join(f"? AS {name}" for name in COLUMNS)
        found = db.execute(f"SELECT {names}", [row[name] for name in COLUMNS]).fetchone()
    same = all(type(row[name]) is type(good[name]) and row[name] == good[name] for name in COLUMNS)
    if same:
        assert ROWS.lease(found) == lease
        return
    with pytest.raises(Unavailable, match="was damaged"):
        ROWS.lease(found)


# Names of accounts.

NAMES = AccountNames("deployment", KEY)
LEASE = new_lease_id("database/creds/app")
OURS = NAMES.account(LEASE, None, issued_s=START_MS // 1000)
near = st.tuples(
    st.integers(0, len(OURS)), st.integers(0, 3), st.text("lh_abyz27\u0131\u212a", max_size=3)
).map(lambda it: OURS[: it[0]] + it[2] + OURS[it[0] + it[1] :])


@often
@given(st.text() | near)
def test_a_name_of_any_text_is_ours_only_with_our_tag_over_its_lease(name: str) -> None:
    read = NAMES.read(name)
    middle_of(name)
    if read is not None and read[0] is Mark.OURS:
        assert NAMES.core(f"a/b/c/{read[1]}{'a' * 10}") in name
        assert read[1] == middle_of(LEASE)
