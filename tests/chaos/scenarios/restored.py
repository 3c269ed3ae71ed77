"""An older ledger is put back after hundreds of leases were issued, renewed and revoked (T10).

It must be recognised, and nothing issued until an operator has it released. Then all is put right
within two minutes, and no account of a lease that is still promised has gone, also of those that
the older ledger knew as over.
"""

import contextlib
import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from chaos.facts import Violation
from chaos.harmed import RECOGNISED
from chaos.harms import LEDGER
from chaos.journal import Held
from chaos.stage import Record, Size, Stage
from chaos.trial import Trial

PLAN = "T10"
BEFORE = {Size.SMALL: 20, Size.CI: 40, Size.LONG: 60}
CHANGES = {Size.SMALL: 60, Size.CI: 200, Size.LONG: 500}
TTL_S, BRIEF_S = 600, 8
"""One of so many of the first leases is brief in the older ledger, and was renewed since."""
BRIEF_OF = 5
ISSUES, RENEWALS = 0.4, 0.3
"""Shares of the changes; the rest revokes."""
RELEASED_S = 120.0


def run(stage: Stage) -> Iterator[Record]:
    dice = random.Random(stage.seed)
    for number in range(stage.times(small=1, ci=2, long=20)):
        with stage.trial() as trial:
            yield _put_back(stage, trial, dice, number)


def _put_back(stage: Stage, trial: Trial, dice: random.Random, number: int) -> Record:
    trial.start()
    engines = trial.world.engines
    held = [
        trial.clients.issue(
            engines[each % len(engines)], BRIEF_S if each % BRIEF_OF == 0 else TTL_S
        )
        for each in range(BEFORE[stage.size])
    ]
    living = [each for each in held if each is not None]
    kept = _copied(trial.daemon.state, stage.folder / "kept.db")
    for each in living[::BRIEF_OF]:
        trial.clients.renew(each, TTL_S)
    _change(trial, dice, living, CHANGES[stage.size])
    brief_ends_ms = trial.clock.boot_ms() + BRIEF_S * 1000
    trial.kill(then_start=False)
    _replace(trial.daemon.state, kept)
    time.sleep(max(0.0, (brief_ends_ms - trial.clock.boot_ms()) / 1000))
    trial.start()
    found = [*_refused(trial)]
    began = time.monotonic()
    trial.daemon.request("PUT", "/v1/leasehold/quarantine/release", {})
    while _quarantined(trial) and time.monotonic() - began < 2 * RELEASED_S:
        time.sleep(0.1)
    released_s = round(time.monotonic() - began, 2)
    if released_s > RELEASED_S:
        found.append(Violation(PLAN, f"not all was put right after {released_s:.0f} s"))
    found += [Violation(PLAN, f"{engine} issues no more") for engine in _stuck(trial)]
    found += _not_expected(trial, trial.settle(deep=True).violations)
    report = trial.daemon.request("GET", "/v1/leasehold/quarantine").data["report"]
    what = {"number": number, "changes": CHANGES[stage.size]}
    counts = {name: report[name] for name in ("adopted", "closed", "revoked", "kept")}
    return Record({**what, **counts}, found, released_s, reached=bool(living))


def _change(trial: Trial, dice: random.Random, living: list[Held], count: int) -> None:
    for _ in range(count):
        move = dice.random()
        if move < ISSUES or not living:
            if (new := trial.clients.issue(dice.choice(trial.world.engines), TTL_S)) is not None:
                living.append(new)
        elif move < ISSUES + RENEWALS:
            trial.clients.renew(dice.choice(living), TTL_S)
        else:
            trial.clients.revoke(living.pop(dice.randrange(len(living))))


def _refused(trial: Trial) -> Iterator[Violation]:
    """What a daemon does not hold back that should have known its ledger for an older one."""
    if not _quarantined(trial):
        yield Violation(PLAN, "the older ledger was not recognised")
    for engine in trial.world.engines:
        if trial.clients.issue(engine, TTL_S) is not None:
            yield Violation(PLAN, f"{engine} issued beside an older ledger")


def _stuck(trial: Trial) -> list[str]:
    return [name for name in trial.world.engines if trial.clients.issue(name, TTL_S) is None]


def _not_expected(trial: Trial, found: list[Violation]) -> Iterator[Violation]:
    """All but that it was recognised, and that what was issued and ended since left no row."""
    over = {each.lease_id for each in trial.journal.held.values() if each.ended}
    for each in found:
        lost = each.invariant == "I5" and any(lease_id in each.what for lease_id in over)
        if not lost and RECOGNISED not in each.what:
            yield each


def _quarantined(trial: Trial) -> bool:
    return bool(trial.daemon.request("GET", "/v1/leasehold/status").data["quarantine"])


def _copied(state: Path, kept: Path) -> Path:
    """A copy of the ledger as docs/operations.md has it, beside the daemon that uses it."""
    kept.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(state / LEDGER)) as db:
        db.execute("VACUUM INTO ?", (str(kept),))
    return kept


def _replace(state: Path, kept: Path) -> None:
    for file in state.glob(f"{LEDGER}*"):
        file.unlink()
    shutil.copy(kept, state / LEDGER)
    (state / LEDGER).chmod(0o600)
