"""Kills at random instants under a mix of issue, renew and revoke; some while it starts (T5)."""

import random
import time
from collections.abc import Iterator

from chaos.stage import Record, Size, Stage, totals
from chaos.trial import Trial

PLAN = "T5"
RATE, LONG_RATE = 30.0, 60.0
"""A long run has to come to 50,000 leases in 1,000 lives."""
LIFE_S = (0.2, 3.0)
WHILE_STARTING = 0.2
"""The share of kills that fall into a start."""
START_S = 1.2
DEEP_EVERY = 25
LATE_S = 6.0


def run(stage: Stage) -> Iterator[Record]:
    dice = random.Random(stage.seed)
    kills = stage.times(small=3, ci=60, long=1000)
    rate = LONG_RATE if stage.size is Size.LONG else RATE
    with stage.trial(flags=("--audit-file-mb", "1")) as trial:
        trial.start()
        while trial.kills < kills:
            yield _kill(trial, rate, dice)
        if stage.size is not Size.SMALL:
            time.sleep(LATE_S)
        yield Record({"kill": "in the end"}, trial.settle(deep=True).violations)
        yield Record({"totals": True}, figures=totals(trial))


def _kill(trial: Trial, rate: float, dice: random.Random) -> Record:
    seed, life_s = dice.randrange(2**31), dice.uniform(*LIFE_S)
    with trial.load(rate=rate, seed=seed):
        time.sleep(life_s)
        trial.daemon.kill()
        trial.was_killed()
        if dice.random() < WHILE_STARTING:
            trial.daemon.run(wait=False)
            time.sleep(dice.uniform(0, START_S))
            trial.daemon.kill()
            trial.was_killed()
    trial.start()
    deep = trial.kills % DEEP_EVERY < 2
    settled = trial.settle(deep=deep)
    return Record.of(settled, kills=trial.kills, life_s=round(life_s, 2), seed=seed)
