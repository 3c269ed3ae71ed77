"""What runs of lines say of the audit that they were: each harm to it, at its place. Pure.

The runs that cover most of the audit in rising order are taken for what it was. A run beside them
was moved there, or put there a second time; a line that does not verify was edited if a number is
missing at its place, and put there if none is; numbers that are nowhere are gone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from leasehold.events.audit_chain import Chain, Place, Run, Stray
from leasehold.events.audit_line import GENESIS


class Harm(StrEnum):
    """What is wrong; docs/audit.md says what each means and what to do."""

    EDITED = "edited"
    MISSING = "missing"
    FILE_MISSING = "file-missing"
    INSERTED = "inserted"
    MOVED = "moved"
    FORKED = "forked"
    CUT = "cut"
    OTHER = "other-line"
    STORE_OLD = "store-old"
    BROKEN = "broken-at-start"
    WRONG_KEY = "wrong-key"
    TOO_MANY = "too-many"


BETWEEN = frozenset({Harm.EDITED, Harm.MISSING, Harm.FILE_MISSING, Harm.CUT})
"""Harms whose time is that of the line before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One harm, and the line that it is found at.

    `number` is the number of the line that was harmed, None where that is not known. `time` is the
    line's own; for one that is gone or does not verify, that of the last one before it that does.
    """

    harm: Harm
    place: Place
    why: str
    number: int | None = None
    time: str = ""


Span = tuple[int, int]
"""Numbers from the first to the last."""


def judge(chain: Chain, *, whole: bool, known_end: int, who_knows: str) -> list[Finding]:
    """What is wrong with `chain`, in the order of its lines; empty when nobody touched it.

    `whole` says that nothing stands before it, or was removed by its age. `who_knows` says who
    remembers a line `known_end`.
    """
    runs = [part for part in chain.parts if isinstance(part, Run)]
    if chain.parts and not runs:
        return [_wrong_key(chain)]
    main = _main(runs)
    beside = [run for run in runs if not any(run is one for one in main)]
    found = [
        *_notes(chain, beside),
        *_beside(beside, main),
        *_within(chain, main, beside, whole=whole),
    ]
    if chain.too_many:
        text = f"more is wrong than {len(chain.parts)} places; what stands behind was not read"
        found.append(Finding(harm=Harm.TOO_MANY, place=chain.end, why=text))
    else:
        found += _at_end(chain, main, beside, known_end, who_knows)
    order = {name: number for number, name in enumerate(chain.files)}
    return sorted(found, key=lambda each: (order.get(each.place.file, 0), each.place.line))


def _main(runs: Sequence[Run]) -> list[Run]:
    """The runs in rising order that cover the most numbers.

    Of equals, those that follow each other best; of these, those that stand later.
    """
    best: list[tuple[tuple[int, int], int | None]] = []
    for index, run in enumerate(runs):
        score, before = (len(run), -_flaws(GENESIS.seq, GENESIS.mac, run)), None
        for other, past in enumerate(runs[:index]):
            if past.last < run.last:
                covered, flaws = best[other][0]
                more = covered + run.last - max(past.last, run.first - 1)
                with_it = (more, flaws - _flaws(past.last, past.mac, run))
                if with_it > score or (with_it == score and before is not None):
                    score, before = with_it, other
        best.append((score, before))
    chosen: list[Run] = []
    at = max(range(len(runs)), key=lambda index: (best[index][0], index)) if runs else None
    while at is not None:
        chosen.insert(0, runs[at])
        at = best[at][1]
    return chosen


def _flaws(last: int, mac: str, run: Run) -> int:
    """How badly a run follows a line: lines that stand there twice, or another MAC than its own."""
    if run.first <= last:
        return last - run.first + 1
    return int(run.first == last + 1 and run.before != mac)


def _beside(beside: Iterable[Run], main: Sequence[Run]) -> Iterator[Finding]:
    for run in beside:
        if _without((run.first, run.last), main):
            harm, what = Harm.MOVED, "stands at another place than it was written at"
        else:
            harm, what = Harm.INSERTED, "stands there a second time"
        yield _of_run(harm, run, what, len(run))


def _within(
    chain: Chain, main: Sequence[Run], beside: Sequence[Run], *, whole: bool
) -> Iterator[Finding]:
    """What lies before, between and in the main runs."""
    last, mac, time = GENESIS.seq, GENESIS.mac, ""
    strays: list[Stray] = []
    begun = False
    upcoming = iter(main)
    run = next(upcoming, None)
    for part in chain.parts:
        if isinstance(part, Stray):
            strays.append(part)
        elif part is run:
            gone = _without((last + 1, run.first - 1), beside)
            if not begun and not strays and _may_begin(chain, run, whole=whole):
                gone = []
            yield from _gap(chain, strays, gone, run, time)
            if run.first <= last:
                yield _of_run(
                    Harm.INSERTED, run, "stands there a second time", last - run.first + 1
                )
            elif run.first == last + 1 and run.before != mac and not strays:
                yield _of_run(Harm.FORKED, run, "follows another line than the one before it", 1)
            last, mac, time, strays, begun = run.last, run.mac, run.last_time, [], True
            run = next(upcoming, None)


def _may_begin(chain: Chain, run: Run, *, whole: bool) -> bool:
    """Whether what stood before the first run is known to be elsewhere, or removed by its age."""
    if not whole and run.follows:
        return True
    return (run.first - 1, run.before) in chain.removed


def _gap(
    chain: Chain, strays: Sequence[Stray], gone: Sequence[Span], run: Run, time: str
) -> Iterator[Finding]:
    """What stands in place of the numbers that are gone before `run`."""
    yield from _strays(strays, gone)
    left = sum(last - first + 1 for first, last in gone) - len(strays)
    if left <= 0:
        return
    if not strays and run.follows and run.follows not in chain.files:
        why = f"the file before it, {run.follows}, is missing: {_numbers(gone)}"
        yield _finding(Harm.FILE_MISSING, run.place, why, gone[0][0], time)
    elif strays:
        why = f"{left} more lines are missing before it, of {_numbers(gone)}"
        yield _finding(Harm.MISSING, run.place, why, gone[0][0], time)
    else:
        yield _finding(
            Harm.MISSING, run.place, f"missing before it: {_numbers(gone)}", gone[0][0], time
        )


def _strays(strays: Sequence[Stray], gone: Sequence[Span]) -> Iterator[Finding]:
    numbers = [number for first, last in gone for number in range(first, last + 1)[:2_000]]
    for index, stray in enumerate(strays):
        if not gone:
            why = "is not a line of this audit"
            yield _finding(Harm.INSERTED, stray.place, why, None, stray.time)
        elif len(numbers) == len(strays):
            yield _finding(Harm.EDITED, stray.place, "was edited", numbers[index], stray.time)
        else:
            why = f"was edited; it stands where {_numbers(gone)} should"
            yield _finding(Harm.EDITED, stray.place, why, None, stray.time)


def _at_end(
    chain: Chain, main: Sequence[Run], beside: Sequence[Run], known_end: int, who_knows: str
) -> Iterator[Finding]:
    """What stands behind the last main run, and what somebody remembers that should."""
    last = main[-1].last if main else GENESIS.seq
    time = main[-1].last_time if main else ""
    strays: list[Stray] = []
    for part in chain.parts:
        if isinstance(part, Stray):
            strays.append(part)
        elif main and part is main[-1]:
            strays = []
    gone = _without((last + 1, known_end), beside)
    if strays and not gone:
        for stray in strays:
            why = "was edited, or is not a line of this audit"
            yield _finding(Harm.EDITED, stray.place, why, None, stray.time)
        return
    yield from _strays(strays, gone)
    if sum(high - low + 1 for low, high in gone) > len(strays):
        why = f"the end is missing: the last line is {last}, {who_knows} {known_end}"
        yield _finding(Harm.CUT, chain.end, why, last + 1, time)


def _notes(chain: Chain, beside: Sequence[Run]) -> Iterator[Finding]:
    for harm, notes in (
        (Harm.BROKEN, chain.broken),
        (Harm.STORE_OLD, chain.set_back),
        (Harm.OTHER, chain.other),
    ):
        for note in notes:
            if any(note.run is run for run in beside):
                continue  # it stands where it does not belong, which is told
            yield _finding(harm, note.place, note.text, note.number, note.time)


def _wrong_key(chain: Chain) -> Finding:
    first = chain.parts[0].place
    why = "no line verifies: another key's audit, or none of ours"
    return Finding(harm=Harm.WRONG_KEY, place=first, why=why)


def _of_run(harm: Harm, run: Run, what: str, count: int) -> Finding:
    more = f" (and {count - 1} lines behind it)" if count > 1 else ""
    return _finding(harm, run.place, f"{what}{more}", run.first, run.time)


def _finding(harm: Harm, place: Place, why: str, number: int | None, time: str) -> Finding:
    return Finding(harm=harm, place=place, why=why, number=number, time=time)


def _without(span: Span, runs: Iterable[Run]) -> list[Span]:
    """What is left of some numbers without those of `runs`."""
    left = [span] if span[0] <= span[1] else []
    for run in runs:
        left = [
            part
            for first, last in left
            for part in ((first, min(last, run.first - 1)), (max(first, run.last + 1), last))
            if part[0] <= part[1]
        ]
    return left


def _numbers(spans: Sequence[Span]) -> str:
    texts = [str(first) if first == last else f"{first} to {last}" for first, last in spans]
    return f"number{'s' if len(spans) > 1 or spans[0][0] < spans[0][1] else ''} " + ", ".join(texts)
