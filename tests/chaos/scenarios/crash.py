"""A kill at each failpoint, at each engine that it applies to, under load (T1).

Clients ask, the point is armed, the daemon dies there and is started again. Counted is how long it
takes from that start to a clean census. A point that is not met says nothing, and is shown as that.
"""

import random
import subprocess
import time
from collections.abc import Iterator, Sequence

from chaos.points import POINTS, Kind, Point
from chaos.provoking import AFTERWARDS, PROVOKE
from chaos.stage import Record, Size, Stage, totals
from chaos.trial import Trial

PLAN = "T1"
RATE = 25.0
LEAST_RATE = 10.0
"""A run under less load says nothing."""
SMALL = 4
"""How many points there is time for in a test suite."""
MEET_S = 8.0
LATE_S = 6.0
"""A create that was under way when the daemon died may still arrive, within twice the statement
timeout; counted once more after this time."""
FLAGS = ("--audit-file-mb", "0.05")
"""Audit files are full soon, so that one is met being changed."""


def run(stage: Stage) -> Iterator[Record]:
    dice = random.Random(stage.seed)
    times = stage.times(small=1, ci=3, long=50)
    wanted = [point for point in POINTS if _takes_part(point, stage)]
    if stage.size is Size.SMALL and not stage.only:
        wanted = dice.sample(wanted, SMALL)
    with stage.trial(flags=FLAGS) as trial:
        trial.start()
        for number in range(times):
            for point in (point for point in wanted if point.kind is not Kind.FIRST):
                seed = dice.randrange(2**31)
                yield _crash(trial, point, _engines(stage, point, number), seed)
        if stage.size is not Size.SMALL:
            time.sleep(LATE_S)
        yield Record({"point": "in the end"}, trial.settle(deep=True).violations)
        yield Record({"totals": True}, figures=totals(trial))
    for point in (point for point in wanted if point.kind is Kind.FIRST):
        for number in range(times):
            yield _first_start(stage, point, number)


def _takes_part(point: Point, stage: Stage) -> bool:
    if stage.only:
        return point.name in stage.only
    asks_pg = point.provoke in ("session", "orphan")
    engine = "pg" if asks_pg else point.engine
    return not engine or engine in stage.world.engines


def _engines(stage: Stage, point: Point, number: int) -> Sequence[str]:
    """Whose accounts are asked for: the point's own engine, or each in its turn."""
    engines = stage.world.engines
    return (point.engine or engines[number % len(engines)],)


def _crash(trial: Trial, point: Point, engines: Sequence[str], seed: int) -> Record:
    dice = random.Random(seed)
    after = dice.randrange(point.spread)
    began = time.monotonic()
    with trial.load(engines, rate=RATE, seed=seed) as load:
        time.sleep(dice.uniform(0.3, 0.8))
        kill = {"action": "kill", "after": after}
        trial.daemon.arm({**point.also, point.name: kill})
        PROVOKE[point.provoke](trial)
        met = _died(trial)
        rate = load.asked / (time.monotonic() - began)
    trial.kill()
    if afterwards := AFTERWARDS.get(point.provoke):
        afterwards(trial)
    what = {"point": point.name, "engine": engines[0], "after": after, "seed": seed}
    busy = rate >= LEAST_RATE or point.kind is Kind.EDGE  # nobody is served there
    settled = trial.settle()
    return Record.of(settled, reached=met and busy, **what)


def _died(trial: Trial) -> bool:
    """Whether the point was met; a daemon that was stopped and ended well did not meet it."""
    try:
        return trial.daemon.wait_dead(MEET_S) == -9
    except subprocess.TimeoutExpired:
        return False


def _first_start(stage: Stage, point: Point, number: int) -> Record:
    """Die in the first start of all, which makes key and tables; the second one must do."""
    after = number % point.spread
    with stage.trial() as trial:
        kill = {point.name: {"action": "kill", "after": after}}
        trial.daemon.run(kill, wait=False)
        met = _died(trial)
        trial.kill()
        with trial.load(rate=RATE, seed=number):
            time.sleep(0.5)
        return Record.of(trial.settle(), reached=met, point=point.name, after=after)
