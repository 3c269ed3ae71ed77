"""The audit is changed by hand: bytes, lines, and its end, one harm at a time (T44).

Each must be found by the verifier that `leasehold audit verify` runs, and a last line that a crash
tore is no harm. The lines are a real daemon's.
"""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from chaos.facts import Violation
from chaos.stage import Record, Size, Stage
from leasehold.events.audit_files import CURRENT
from leasehold.events.audit_line import KEY_PURPOSE
from leasehold.events.audit_verify import verify_audit
from leasehold.keys.keyfile import load_or_create
from leasehold.leases.offline import audit_head
from leasehold.model import AuditHead

PLAN = "T44"
LOAD_S = {Size.SMALL: 2, Size.CI: 8, Size.LONG: 80}
RATE = 60.0
"""Clients at work for so long make about a hundred lines a second."""
Lines = list[bytes]


def _flip(lines: Lines, dice: random.Random) -> Lines:
    at = dice.randrange(len(lines))
    line = bytearray(lines[at])
    line[dice.randrange(len(line))] ^= 1 << dice.randrange(8)
    return [*lines[:at], bytes(line), *lines[at + 1 :]]


def _delete(lines: Lines, dice: random.Random) -> Lines:
    at = dice.randrange(len(lines))
    return [*lines[:at], *lines[at + 1 :]]


def _double(lines: Lines, dice: random.Random) -> Lines:
    at, to = dice.randrange(len(lines)), dice.randrange(len(lines) + 1)
    return [*lines[:to], lines[at], *lines[to:]]


def _swap(lines: Lines, dice: random.Random) -> Lines:
    one, other = dice.sample(range(len(lines)), 2)
    changed = [*lines]
    changed[one], changed[other] = lines[other], lines[one]
    return changed


def _insert(lines: Lines, dice: random.Random) -> Lines:
    """A line that somebody without the key made up, after an honest one."""
    at = dice.randrange(len(lines))
    mac = b"%064x" % dice.getrandbits(256)
    return [*lines[: at + 1], lines[at][:-67] + mac + b'"}\n', *lines[at + 1 :]]


def _cut(lines: Lines, dice: random.Random) -> Lines:
    return lines[: -dice.randint(1, min(1_000, len(lines) - 1))]


HARMS: dict[str, tuple[Callable[[Lines, random.Random], Lines], dict[Size, int]]] = {
    "a bit flipped": (_flip, {Size.SMALL: 20, Size.CI: 400, Size.LONG: 20_000}),
    "a line deleted": (_delete, {Size.SMALL: 5, Size.CI: 100, Size.LONG: 10_000}),
    "a line doubled": (_double, {Size.SMALL: 5, Size.CI: 100, Size.LONG: 2_000}),
    "two lines swapped": (_swap, {Size.SMALL: 5, Size.CI: 100, Size.LONG: 2_000}),
    "a line made up": (_insert, {Size.SMALL: 5, Size.CI: 100, Size.LONG: 2_000}),
    "the end cut off": (_cut, {Size.SMALL: 5, Size.CI: 100, Size.LONG: 1_000}),
}
TORN = {Size.SMALL: 5, Size.CI: 100, Size.LONG: 1_000}


def run(stage: Stage) -> Iterator[Record]:
    with stage.trial() as trial:
        trial.start()
        with trial.load(rate=RATE, seed=stage.seed):
            time.sleep(LOAD_S[stage.size])
        trial.daemon.stop()
        state = trial.daemon.state
        book = _Book(state, stage.folder / "tampered")
        dice = random.Random(stage.seed)
        yield book.calm()
        for name, (harm, counts) in HARMS.items():
            count, missed = counts[stage.size], 0
            for _ in range(count):
                changed = harm(book.lines, dice)
                missed += not book.findings(changed)
            text = f"{name}: {missed} of {count} were not found"
            found = [Violation("I7", text)] if missed else []
            yield Record({"harm": name, "tried": count, "found": count - missed}, found)
        yield _torn(book, dice, TORN[stage.size])


class _Book:
    """The lines of an audit, and what is found in changed copies of them."""

    def __init__(self, state: Path, place: Path) -> None:
        key = load_or_create(state / "key", may_create=False)
        self._key = key.derive(KEY_PURPOSE)
        self._head = audit_head(state, key)
        place.mkdir(exist_ok=True)
        self._file = place / CURRENT
        self.lines = (state / CURRENT).read_bytes().splitlines(keepends=True)

    def findings(self, lines: Lines, torn: bytes = b"") -> list[str]:
        self._file.write_bytes(b"".join(lines) + torn)
        report = verify_audit(self._file, self._key, self._known)
        return [finding.why for finding in report.findings]

    def calm(self) -> Record:
        """The audit as it was written, and how fast it is read."""
        began = time.perf_counter()
        wrong = self.findings(self.lines)
        took_s = time.perf_counter() - began
        speed = round(len(self.lines) / took_s)
        found = [Violation("I7", f"a false alarm: {why}") for why in wrong]
        return Record(
            {"harm": "none"},
            found,
            figures={"lines": len(self.lines), "lines a second": speed},
        )

    def _known(self) -> AuditHead | None:
        return self._head


def _torn(book: _Book, dice: random.Random, count: int) -> Record:
    """A crash leaves part of a line that the store does not know yet."""
    alarms = 0
    for _ in range(count):
        line = dice.choice(book.lines)
        alarms += bool(book.findings(book.lines, line[: dice.randrange(1, len(line))]))
    found = [Violation("I7", f"{alarms} of {count} torn last lines raised an alarm")]
    return Record({"harm": "none, but a torn line", "tried": count}, found if alarms else [])
