"""P8: whatever is done to an audit of any shape is found, and where it was done."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fakes.audits import KEY, Audit, Line, an_audit
from leasehold.events.audit_findings import Harm
from leasehold.events.audit_line import chained
from leasehold.model import AuditHead

events = st.integers(2, 9)
sizes = st.sampled_from([1, 700, 1_500, 3_000, 1 << 30])
"""From a file a line to one file."""
anywhere = st.integers(0, 10**9)
many = settings(max_examples=50, deadline=None)


def places(audit: Audit) -> list[tuple[str, int]]:
    return [(found.place.file, found.place.line) for found in audit.findings()]


def place(line: Line) -> tuple[str, int]:
    return line.file, line.at


def without(audit: Audit, line: Line) -> bytes:
    """Take a line away."""
    texts = audit.texts()
    taken = texts[line.file].pop(line.at - 1)
    audit.write(texts)
    return taken


@many
@given(events, sizes)
def test_what_nobody_touched_is_as_it_was_written(count, size) -> None:
    with an_audit(count, size) as audit:
        assert audit.findings() == []
        assert audit.findings([audit.head]) == []
        assert audit.head.seq == len(audit.lines())


@many
@given(events, sizes, anywhere, st.integers(0, 7))
def test_a_flipped_bit_is_found_in_its_line(count, size, where, bit) -> None:
    with an_audit(count, size) as audit:
        lines = audit.lines()
        line = lines[where % len(lines)]
        texts = audit.texts()
        text = bytearray(texts[line.file][line.at - 1])
        text[where % len(text)] ^= 1 << bit
        texts[line.file][line.at - 1] = bytes(text)
        audit.write(texts)
        first = audit.findings()[0]
        assert (first.place.file, first.place.line) == place(line)
        assert first.harm in (Harm.EDITED, Harm.CUT)
        assert first.number in (line.number, None)


@many
@given(events, sizes, anywhere)
def test_a_removed_line_is_found_where_it_was(count, size, which) -> None:
    with an_audit(count, size) as audit:
        lines = audit.lines()
        index = which % len(lines)
        without(audit, lines[index])
        [found] = audit.findings()
        assert found.number == lines[index].number
        if index == len(lines) - 1:
            assert found.harm is Harm.CUT
        else:
            after = lines[index + 1]
            same = after.file == lines[index].file
            assert place(Line(found.place.file, found.place.line, 0)) == (
                after.file,
                after.at - 1 if same else after.at,
            )
            assert found.harm is Harm.MISSING


@many
@given(events, sizes, anywhere, anywhere)
def test_two_swapped_lines_are_found_where_the_first_of_them_was(count, size, one, two) -> None:
    with an_audit(count, size) as audit:
        lines = audit.lines()
        first, second = sorted((one % len(lines), two % len(lines)))
        assume(first != second)
        texts = audit.texts()
        a, b = lines[first], lines[second]
        there, here = texts[a.file][a.at - 1], texts[b.file][b.at - 1]
        texts[a.file][a.at - 1], texts[b.file][b.at - 1] = here, there
        audit.write(texts)
        found = audit.findings()
        assert (found[0].place.file, found[0].place.line) == place(a)
        assert {each.harm for each in found} == {Harm.MOVED}
        assert {a.number, b.number} & {each.number for each in found}


@many
@given(events, sizes, anywhere, anywhere)
def test_a_line_that_was_moved_is_found_where_it_is(count, size, which, to) -> None:
    with an_audit(count, size) as audit:
        lines = audit.lines()
        line, target = lines[which % len(lines)], lines[to % len(lines)]
        # Nearer than that, it may as well have been the other one that was moved.
        assume(line.number - target.number > 1 or target.number - line.number > 2)
        text = without(audit, line)
        texts = audit.texts()
        texts[target.file].insert(target.at - 1, text)
        audit.write(texts)
        assert line.number in {found.number for found in audit.findings()}
        assert {found.harm for found in audit.findings()} <= {Harm.MOVED, Harm.CUT}


@many
@given(events, sizes, anywhere, anywhere, st.sampled_from(["copy", "other key", "other", "text"]))
def test_an_inserted_line_is_found_where_it_is(count, size, to, which, source) -> None:
    with an_audit(count, size) as audit, an_audit(count, size, b"x" * 32) as strange:
        lines = audit.lines()
        target, taken = lines[to % len(lines)], lines[which % len(lines)]
        texts = audit.texts()
        if source == "copy":
            text = texts[taken.file][taken.at - 1]
        elif source == "other key":
            text = strange.texts()[taken.file][taken.at - 1]
        elif source == "other":  # of the same key, from another history
            made, _ = chained({"event": "revoked"}, KEY, AuditHead(taken.number - 1, "a" * 64))
            text = made.text.encode() + b"\n"
        else:
            text = b"somebody was here\n"
        texts[target.file].insert(target.at - 1, text)
        audit.write(texts)
        [found] = audit.findings()
        assert found.harm is Harm.INSERTED
        allowed = {place(target)}
        if source == "copy" and taken.number in (target.number, target.number - 1):
            # Of two equal lines that stand side by side, either may be the one too many.
            allowed.add((taken.file, taken.at + (taken.number == target.number)))
        assert (found.place.file, found.place.line) in allowed


@many
@given(events, sizes, anywhere, anywhere)
def test_a_cut_file_is_found_where_its_lines_end(count, size, which, where) -> None:
    with an_audit(count, size) as audit:
        lines, file = audit.lines(), audit.files[which % len(audit.files)]
        data = file.read_bytes()
        kept = data[: where % len(data)]
        file.write_bytes(kept)
        gone = [line for line in lines if line.file == file.name][kept.count(b"\n") :]
        found = audit.findings()
        assert gone[0].number in {each.number for each in found} or found[0].harm is Harm.EDITED
        after = [line for line in lines if line.number > gone[-1].number][:1]
        ends = {(file.name, gone[0].at), (file.name, gone[0].at - 1), *map(place, after)}
        assert {(each.place.file, each.place.line) for each in found} <= ends


@many
@given(st.integers(4, 9), st.sampled_from([1, 700, 1_500]), anywhere)
def test_a_missing_file_is_told_by_its_name(count, size, which) -> None:
    with an_audit(count, size) as audit:
        full = audit.files[:-1]
        gone = full[which % len(full)]
        number = next(line.number for line in audit.lines() if line.file == gone.name)
        after = audit.files[audit.files.index(gone) + 1].name
        gone.unlink()
        [found] = audit.findings()
        assert found.harm is Harm.FILE_MISSING
        assert (found.place.file, found.place.line, found.number) == (after, 1, number)
        assert gone.name in found.why


@many
@given(events, sizes, st.integers(1, 12))
def test_an_audit_that_ends_too_early_is_found_by_a_checkpoint_alone(count, size, lost) -> None:
    """Both the file and the store were set back to an older state that is good in itself."""
    with an_audit(count, size) as audit, an_audit(count + lost, size) as later:
        [cut, old] = sorted(audit.findings([later.head]), key=lambda found: found.harm)
        assert audit.findings() == []
        assert cut.harm is Harm.CUT
        assert cut.number == audit.head.seq + 1
        assert old.harm is Harm.STORE_OLD


def test_a_checkpoint_with_another_mac_shows_who_has_the_key_and_wrote_the_line_anew() -> None:
    with an_audit() as audit:
        [found] = audit.findings([AuditHead(5, "0" * 64)])
        assert (found.harm, found.place.line, found.number) == (Harm.OTHER, 5, 5)


@many
@given(events, sizes, anywhere)
def test_an_old_store_beside_a_newer_audit_is_found(count, size, where) -> None:
    with an_audit(count + 3, size) as audit:
        lines = audit.lines()
        known = 1 + where % (len(lines) - 4)
        line = lines[known - 1]
        text = audit.texts()[line.file][line.at - 1]
        mac = text.rstrip(b"\n")[-66:-2].decode()
        audit.head = AuditHead(line.number, mac)
        [found] = audit.findings()
        assert found.harm is Harm.STORE_OLD
        assert found.number == known + 1
        assert (found.place.file, found.place.line) == place(lines[known])


def test_lines_of_the_write_that_a_crash_cut_off_are_legal() -> None:
    with an_audit(5) as audit:
        last, before = audit.lines()[-1], audit.texts()["audit.jsonl"][-2]
        audit.head = AuditHead(last.number - 1, before.rstrip(b"\n")[-66:-2].decode())
        assert audit.findings() == []


@many
@given(events, sizes, st.integers(1, 200))
def test_a_last_line_torn_by_a_crash_is_no_harm_if_the_store_does_not_know_it(count, size, cut):
    with an_audit(count, size) as audit:
        text = audit.path.read_bytes()
        torn = text.splitlines(keepends=True)[-1]
        audit.path.write_bytes(text + torn[: min(cut, len(torn) - 1)])
        assert audit.findings() == []


def test_another_key_is_told_as_that() -> None:
    with an_audit(key=b"x" * 32) as audit:
        [found] = audit.findings()
        assert (found.harm, found.place.line) == (Harm.WRONG_KEY, 1)


def test_an_audit_that_is_wrong_all_over_is_read_no_further_than_makes_sense() -> None:
    with an_audit(3) as audit:
        first = audit.texts()["audit.jsonl"][0]
        audit.path.write_bytes(first * 5_000)
        found = audit.findings()
        assert found[-1].harm is Harm.TOO_MANY
        assert found[-1].place.line == 1_000


def test_a_line_without_an_end_fills_no_memory() -> None:
    with an_audit(3) as audit:
        with audit.path.open("ab") as file:
            file.write(b"x" * (1 << 20) + b"\n")
        [found] = audit.findings()
        assert (found.harm, found.place.line) == (Harm.EDITED, 4)
