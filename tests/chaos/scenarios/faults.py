"""At each failpoint what is not a crash: an error, a defect, a cancellation, a hang, a reset (T2).

The daemon lives on. Afterwards every promise holds, and each engine issues again within its
deadline: a target that was taken for away is asked again after 10 s.
"""

import random
import time
from collections.abc import Iterator

from chaos.client import NotSent
from chaos.facts import Violation
from chaos.points import FAULTS, POINTS, Point
from chaos.provoking import AFTERWARDS, PROVOKE
from chaos.stage import Record, Size, Stage, totals
from chaos.trial import Settled, Trial

PLAN = "T2"
RATE = 25.0
FAULT_S = 1.5
FLAGS = ("--audit-file-mb", "0.05")
"""Audit files are full soon, so that what is tried at their change is met."""
ACTS = 3
"""How often a point fails: enough to open a breaker."""
SETTLE_S = 20.0
"""A hang ends with the call's deadline, and a target that counts as away is asked every 10 s."""
ISSUE_S = 25.0
MOST = {Size.SMALL: 3, Size.CI: 60, Size.LONG: None}
"""How many of the cases there is time for; drawn by the seed."""


def run(stage: Stage) -> Iterator[Record]:
    dice = random.Random(stage.seed)
    cases = [
        (point, action)
        for point in POINTS
        for action in FAULTS[point.kind]
        if not point.engine or point.engine in stage.world.engines
        if point.provoke not in ("session", "orphan") or "pg" in stage.world.engines
    ]
    if stage.only:
        cases = [(point, action) for point, action in cases if point.name in stage.only]
    else:
        dice.shuffle(cases)
        cases = cases[: MOST[stage.size]]
    with stage.trial(flags=FLAGS) as trial:
        trial.start()
        for _ in range(stage.times(small=1, ci=1, long=10)):
            for point, action in cases:
                yield _fault(trial, point, action, dice.randrange(2**31))
                if not trial.daemon.alive:
                    trial.kill()
        yield Record({"point": "in the end"}, trial.settle(deep=True).violations)
        yield Record({"totals": True}, figures=totals(trial))


def _fault(trial: Trial, point: Point, action: str, seed: int) -> Record:
    engines = (point.engine,) if point.engine else trial.world.engines
    fault = {"action": action, "times": ACTS, "seconds": 0.3}
    with trial.load(engines, rate=RATE, seed=seed):
        time.sleep(0.3)
        trial.daemon.arm({**point.also, point.name: fault})
        PROVOKE[point.provoke](trial)
        time.sleep(FAULT_S)
        met = trial.daemon.met(point.name)
        trial.daemon.arm({})
    what = {"point": point.name, "action": action, "seed": seed}
    if not trial.daemon.alive:
        return Record(what, [Violation("alive", f"the daemon ended: {_last_words(trial)}")])
    if afterwards := AFTERWARDS.get(point.provoke):
        afterwards(trial)
    began = time.monotonic()
    stuck = [Violation("lanes", text) for text in _stuck_lanes(trial)]
    settled = trial.settle(SETTLE_S)
    seconds = time.monotonic() - began
    found = [*stuck, *settled.violations]
    return Record.of(Settled(seconds, found, settled.census), reached=met, **what)


def _stuck_lanes(trial: Trial) -> Iterator[str]:
    """Engines that do not issue within their deadline after the fault is over."""
    until = time.monotonic() + ISSUE_S
    for engine in trial.world.engines:
        held = None
        while held is None and time.monotonic() < until and trial.daemon.alive:
            try:
                held = trial.clients.issue(engine, 5)
            except NotSent:
                break
            if held is None:
                time.sleep(0.2)
        if held is None:
            yield f"{engine} does not issue within {ISSUE_S:g} s after the fault"


def _last_words(trial: Trial) -> str:
    lines = trial.daemon.log.read_text().splitlines()
    return " / ".join(lines[-3:])[-400:]
