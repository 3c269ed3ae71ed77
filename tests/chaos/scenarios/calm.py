"""Nothing goes wrong: clients at work, and all of their leases end.

What it finds is a defect of the daemon or of the harness; it is the first thing to be run.
"""

import time
from collections.abc import Iterator

from chaos.stage import Record, Stage, totals

PLAN = "baseline"
RATE = 25.0
AGES_S = 6.0
"""Longer than the shortest leases live."""


def run(stage: Stage) -> Iterator[Record]:
    with stage.trial() as trial:
        trial.start()
        for number in range(stage.times(small=1, ci=3, long=20)):
            with trial.load(rate=RATE, seed=stage.seed + number):
                time.sleep(AGES_S)
            yield Record.of(trial.settle(deep=True), number=number)
        yield Record({"totals": True}, figures=totals(trial))
