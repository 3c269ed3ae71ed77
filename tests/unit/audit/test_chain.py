"""P8: an edit, a deletion, a reordering, an insertion and a cut are found, and where."""

import functools
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fakes.clock import FakeClock
from fakes.leases import an_event
from leasehold.events.audit import GENESIS, FileAudit, verify
from leasehold.model import AuditHead

KEY = b"k" * 32
LENGTH = 12
numbers = st.integers(1, LENGTH)


@functools.cache
def chain(key: bytes = KEY, first: int = 1) -> tuple[tuple[str, ...], AuditHead]:
    """The lines of an audit of LENGTH events, and its head."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        audit = FileAudit(path, key, head=GENESIS, wall=FakeClock().wall, boot="boot")
        head = audit.append([an_event(first + n, why="so") for n in range(LENGTH)])
        audit.close()
        return tuple(path.read_text().splitlines(keepends=True)), head


def places(faults: list[str]) -> list[int]:
    """The line numbers that the faults name."""
    named = [fault.split(":")[0].removeprefix("line ") for fault in faults]
    return [int(number) for number in named if number.isdecimal()]


def check(lines: list[str]) -> list[str]:
    _, head = chain()
    return verify(lines, KEY, head)


def test_what_nobody_touched_is_good() -> None:
    lines, head = chain()
    assert verify(lines, KEY, head) == []
    assert verify(lines, KEY) == []
    assert head.seq == LENGTH
    assert verify([], KEY) == []


def test_any_one_changed_byte_is_found_where_it_is() -> None:
    lines, _ = chain()
    number = LENGTH // 2
    line = lines[number - 1]
    for place, there in enumerate(line[:-1]):
        for other in {chr(ord(there) ^ 1), "é", "\udc80", '"'} - {there}:
            changed = [*lines]
            changed[number - 1] = line[:place] + other + line[place + 1 :]
            assert places(check(changed))[0] == number


@given(numbers, st.text(max_size=30))
def test_a_line_that_was_replaced_is_found_where_it_is(number, text) -> None:
    lines = [*chain()[0]]
    lines[number - 1] = text.replace("\n", "") + "\n"
    assert places(check(lines))[0] == number


@given(st.integers(1, LENGTH - 1), st.integers(1, LENGTH))
def test_deleted_lines_are_found_where_they_were(first, count) -> None:
    lines = [*chain()[0]]
    count = min(count, LENGTH - first)
    del lines[first - 1 : first - 1 + count]
    assert places(check(lines)) == [first]


@given(st.permutations(range(LENGTH)))
def test_a_reordering_is_found_where_it_begins(order) -> None:
    lines = chain()[0]
    faults = check([lines[n] for n in order])
    wrong = [place for place, n in enumerate(order, 1) if n != place - 1]
    if not wrong:
        assert faults == []
    else:
        assert places(faults[:1]) == wrong[:1]


@given(numbers, numbers, st.sampled_from(["old", "other key", "other chain"]))
def test_an_inserted_line_is_found_where_it_is(number, which, source) -> None:
    """Be it a line of this very audit, of another deployment's, or of one that began anew."""
    lines = [*chain()[0]]
    if source == "old":
        extra = lines[which - 1]
    elif source == "other key":
        extra = chain(b"x" * 32)[0][which - 1]
    else:
        extra = chain(KEY, 100)[0][which - 1]
    lines.insert(number - 1, extra)
    found = places(check(lines))
    expected = number + 1 if extra == lines[number] or which == number == 1 else number
    assert found[0] in (number, expected)


@given(st.integers(0, LENGTH - 1))
def test_a_cut_tail_is_found_by_the_head_that_the_store_keeps(kept) -> None:
    [fault] = check([*chain()[0]][:kept])
    assert fault == f"the end is missing: the last line is {kept}, the store knows {LENGTH}"


def test_an_audit_that_began_anew_under_the_same_key_is_found() -> None:
    lines, _ = chain(KEY, 100)
    assert check([*lines[:5]]) != []


@given(st.integers(1, 200))
def test_a_last_line_torn_by_a_crash_is_no_tampering(size) -> None:
    lines, head = chain()
    torn = lines[-1][: min(size, len(lines[-1]) - 1)]
    assert verify([*lines, torn], KEY, head) == []


@given(st.integers(1, 200))
def test_a_torn_last_line_that_the_store_knows_of_is_missed(size) -> None:
    lines, head = chain()
    torn = lines[-1][: min(size, len(lines[-1]) - 1)]
    assert "the end is missing" in verify([*lines[:-1], torn], KEY, head)[0]


def test_nothing_verifies_under_another_key() -> None:
    assert places(verify(chain()[0], b"x" * 32)) == [*range(1, LENGTH + 1)]
