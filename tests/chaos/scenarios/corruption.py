"""The ledger is damaged behind the daemon's back, one harm at a time (T9).

Copies of a real store, one a harm, are read through as the daemon reads its own soon after a start:
what changed a lease, as SQL of our own sees it, must be found. And once each with a daemon that
starts on it: it serves, leases that were not touched end in time, and accounts of those that were
are gone or told within a minute; or it refuses in one line that names the store.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from chaos import harms
from chaos.facts import Violation
from chaos.harmed import Harmed, LiveHarm
from chaos.harms import Harm
from chaos.stage import Record, Size, Stage
from chaos.trial import Trial
from leasehold.clock import SystemClock
from leasehold.errors import Unavailable
from leasehold.events.audit import FileAudit
from leasehold.events.audit_files import CURRENT
from leasehold.events.audit_line import GENESIS, KEY_PURPOSE
from leasehold.keys.keyfile import Key, load_or_create
from leasehold.leases.offline import audit_head
from leasehold.leases.sqlite_rows import Rows as SignedRows
from leasehold.leases.sqlite_scrub import scrub

PLAN = "T9"
LOAD_S = {Size.SMALL: 1.5, Size.CI: 3, Size.LONG: 20}
RATE = 40.0
COUNTS: Mapping[str, tuple[Harm, Mapping[Size, int]]] = {
    "a bit flipped": (harms.flip_a_bit, {Size.SMALL: 40, Size.CI: 200, Size.LONG: 1_000}),
    "a page zeroed": (harms.zero_a_page, {Size.SMALL: 10, Size.CI: 40, Size.LONG: 200}),
    "the file truncated": (harms.truncate, {Size.SMALL: 10, Size.CI: 40, Size.LONG: 200}),
    "two rows swapped": (harms.swap_two_rows, {Size.SMALL: 5, Size.CI: 20, Size.LONG: 100}),
    "a row taken away": (harms.take_a_row_away, {Size.SMALL: 5, Size.CI: 20, Size.LONG: 100}),
}
CUTS = {Size.SMALL: 5, Size.CI: 20, Size.LONG: 100}
LIVE: Mapping[str, LiveHarm] = {
    "bits flipped in rows": lambda state, dice, *_: harms.flip_in_rows(state, dice),
    "an old row put back": lambda state, dice, old, _: harms.put_a_row_back(old, state, dice),
    "a page of leases zeroed": lambda state, dice, *_: harms.zero_a_page_of_leases(state, dice),
    "the log cut": lambda state, dice, *_: harms.cut_the_log(state, dice),
    "the file truncated": lambda state, dice, *_: harms.truncate(state, dice),
    "another deployment's file": lambda state, _, __, other: harms.replace_file(state, other),
}


def run(stage: Stage) -> Iterator[Record]:
    dice, other = random.Random(stage.seed), stage.folder / "another"
    with stage.trial() as trial:
        yield from _found_in_copies(stage, trial, dice)
        harms.copy_state(trial.daemon.state, other)
    for _ in range(stage.times(small=1, ci=1, long=5)):
        for name, harm in LIVE.items():
            if not stage.only or name in stage.only:
                with stage.trial() as trial:
                    yield Harmed(trial, dice, other).by(name, harm)


def _found_in_copies(stage: Stage, trial: Trial, dice: random.Random) -> Iterator[Record]:
    trial.start()
    with trial.load(rate=RATE, seed=stage.seed):
        time.sleep(LOAD_S[stage.size])
    trial.kill(then_start=False)
    state, place = trial.daemon.state, stage.folder / "harmed"
    yield _cuts(state, place, dice, CUTS[stage.size])
    harms.merge(state)
    key = load_or_create(state / "key", may_create=False)
    sound, aside = harms.leases(state), place.with_name("looked-at")
    if alarms := _causes(state, key):
        yield Record({"harm": "none"}, [Violation("T9", f"a false alarm: {alarms}")])
    for name, (harm, counts) in COUNTS.items():
        told: Counter[str] = Counter()
        missed = hit = 0
        for _ in range(counts[stage.size]):
            harm(harms.copy_state(state, place), dice)
            touched = bool(harms.touched(sound, harms.leases(harms.copy_state(place, aside))))
            causes = _causes(place, key)
            told.update(causes or ["nothing"])
            hit += touched
            missed += touched and not causes
        found = [Violation(PLAN, f"{name}: {missed} of {hit} were not found")] if missed else []
        what = {"harm": name, "tried": counts[stage.size], "touched a lease": hit}
        yield Record({**what, "found as": dict(told)}, found)


def _causes(state: Path, key: Key) -> list[str]:
    """As what a harm is found when the store is read through; empty for nothing."""
    try:
        found = scrub(state / harms.LEDGER, SignedRows(key.derive("row mac")), threading.Event())
    except Unavailable:
        return ["unreadable"]
    names = {
        "row": found.damaged,
        "file": found.faults,
        "index": found.misindexed,
        "set back": found.set_back,
    }
    return [name for name, harm in names.items() if harm]


def _cuts(state: Path, place: Path, dice: random.Random, count: int) -> Record:
    """SQLite's log loses its end: the audit must tell, unless only the last commit is gone."""
    told: Counter[str] = Counter()
    for _ in range(count):
        harms.cut_the_log(harms.copy_state(state, place), dice)
        told[_recognised(place)] += 1
    missed = told["missed"]
    found = [Violation("T9", f"a log cut: {missed} of {count} not recognised")] if missed else []
    return Record({"harm": "the log cut", "tried": count, "found as": dict(told)}, found)


def _recognised(state: Path) -> str:
    """What a start makes of a store whose last commits are gone."""
    key = load_or_create(state / "key", may_create=False)
    head = audit_head(state, key) or GENESIS
    last = json.loads((state / CURRENT).read_text().splitlines()[-1])
    audit = FileAudit(
        state / CURRENT, key.derive(KEY_PURPOSE), head=head, wall=SystemClock().wall, boot="t9"
    )
    audit.close()
    if audit.store_knew:
        return "an older store"
    # No line was written after the commits that are gone, as after a crash before them.
    return "nothing, or the last commit" if last["stored"] <= head.seq else "missed"
