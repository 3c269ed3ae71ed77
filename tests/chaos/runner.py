"""`make chaos`: hunt the planted bugs, then play every scenario, and say what was not kept.

Exit code 0 when every promise was kept, 1 when one was not, 2 when the run is void, since a planted
bug was not found. Records are written as they come, one object a line.
"""

import argparse
import importlib
import json
import pkgutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from chaos import scenarios
from chaos.machine import facts
from chaos.planted import BUGS, Bug
from chaos.report import Hunt, Outcome, text, verdict
from chaos.stage import Record, Size, Stage
from chaos.world import ENGINES, World, world

CODES = {"passed": 0, "failed": 1, "void": 2}
FIRST = ("calm", "order", "crash", "faults", "kills", "power")
HUNTS = {Size.SMALL: 1, Size.CI: 1, Size.LONG: 5}
MOST_RUNS = {Size.SMALL: 6, Size.CI: 12, Size.LONG: 200}
"""A bug that so many runs do not find was not found; long hunts have no hint where to look."""


def names() -> list[str]:
    """Every scenario there is, the first ones first."""
    found = {module.name for module in pkgutil.iter_modules(scenarios.__path__)}
    return [*FIRST, *sorted(found - set(FIRST))]


def scenario(name: str) -> ModuleType:
    """The module that plays it."""
    return importlib.import_module(f"chaos.scenarios.{name}")


class Runner:
    """Plays scenarios in one world and writes down each record."""

    def __init__(
        self,
        world: World,
        folder: Path,
        out: TextIO,
        *,
        size: Size,
        seed: int,
        only: Sequence[str] = (),
        times: int | None = None,
    ) -> None:
        self._world = world
        self._folder = folder
        self._size = size
        self._seed = seed
        self._only = only
        self._times = times
        self._out = out

    def play(self, name: str, within_s: float | None) -> Outcome:
        """All runs of one scenario, or those that begin within `within_s`."""
        module, began = scenario(name), time.monotonic()
        outcome = Outcome(name, module.PLAN)
        stage = Stage(
            self._world, self._folder, self._size, self._seed, only=self._only, wanted=self._times
        )
        for record in module.run(stage):
            outcome.records.append(record)
            self._write(name, record)
            outcome.seconds = time.monotonic() - began
            if within_s is not None and outcome.seconds > within_s:
                break
        return outcome

    def hunt(self, bug: Bug) -> Hunt:
        """Look for a planted bug, as often as the size asks for, each time with another seed."""
        runs = [
            self._runs_until_found(bug, self._seed + number) for number in range(HUNTS[self._size])
        ]
        return Hunt(bug.name, bug.scenario, runs)

    def _runs_until_found(self, bug: Bug, seed: int) -> int | None:
        hint = () if self._size is Size.LONG else bug.only
        runs = 0
        while runs < MOST_RUNS[self._size]:
            stage = Stage(self._world, self._folder, Size.SMALL, seed + runs, bug.name, only=hint)
            for record in _runs(scenario(bug.scenario).run(stage)):
                self._write(bug.scenario, record, bug.name)
                if "skipped" in record.what:
                    return None
                runs += 1
                if record.violations:
                    return runs
        return None

    def _write(self, name: str, record: Record, planted: str = "") -> None:
        line: dict[str, Any] = {"scenario": name, **asdict(record)}
        if planted:
            line["planted"] = planted
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()
        shown = "; ".join(map(str, record.violations[:3]))
        note = f"planted {planted} " if planted else ""
        print(f"{note}{name} {record.what} {shown}", file=sys.stderr, flush=True)


def _runs(records: Iterator[Record]) -> Iterator[Record]:
    return (record for record in records if not record.figures)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos ARGS=…", description=__doc__)
    parser.add_argument("--size", type=Size, choices=list(Size), default=Size.CI)
    parser.add_argument("--seed", type=int, default=1, help="the same seed tries the same things")
    parser.add_argument("--only", choices=names(), action="append", help="may be repeated")
    parser.add_argument("--point", action="append", default=[], help="of crash and faults only")
    parser.add_argument("--engine", choices=ENGINES, action="append", help="may be repeated")
    parser.add_argument("--times", type=int, help="rounds or kills, instead of the size's")
    parser.add_argument("--within-s", type=float, help="the most that one scenario may take")
    parser.add_argument("--planted", choices=("all", "none", "only"), default="all")
    parser.add_argument(
        "--bug", choices=[bug.name for bug in BUGS], action="append", help="may be repeated"
    )
    parser.add_argument("--out", type=Path, help="where the report goes; default: chaos-<date>")
    wanted = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that no server is left
    out = wanted.out or Path(f"chaos-{datetime.now(UTC).date()}")
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as folder,
        world(wanted.engine or ENGINES) as made,
        (out / "records.jsonl").open("w") as records,
    ):
        machine = {
            **facts(made, Path(folder)),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "seed": wanted.seed,
            "size": wanted.size.value,
        }
        records.write(json.dumps({"machine": machine}) + "\n")
        runner = Runner(
            made,
            Path(folder),
            records,
            size=wanted.size,
            seed=wanted.seed,
            only=tuple(wanted.point),
            times=wanted.times,
        )
        bugs = [bug for bug in BUGS if not wanted.bug or bug.name in wanted.bug]
        hunts = [runner.hunt(bug) for bug in bugs] if wanted.planted != "none" else []
        played = [] if wanted.planted == "only" else wanted.only or names()
        outcomes = [runner.play(name, wanted.within_s) for name in played]
    told = text(machine, outcomes, hunts)
    (out / "report.md").write_text(told + "\n")
    print(told)
    print(f"\nwritten to {out}")
    return CODES[verdict(outcomes, hunts)]
