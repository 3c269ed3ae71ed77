"""The wall clock is set back, and the machine sleeps: no lease lives longer than its client heard.

Clients measure by CLOCK_BOOTTIME, which both daemon and harness read as the scenario moves it.
Nothing is issued while the wall clock is in doubt, so leases are made before each move. The audit
tells ends by the wall clock, so I10 says nothing here.
"""

import time
from collections.abc import Iterator

from chaos.stage import Record, Size, Stage
from chaos.trial import Trial

PLAN = "T20 in part"
TTLS_S = (3, 4, 1800)
STEPS_S = {"back 2 h": -7200, "back 1 day": -86_400, "on 1 day": 86_400}
SLEEP_S = 3600
OVER_S = 11.0
"""Longer than the short leases live, with what they may be late."""


def run(stage: Stage) -> Iterator[Record]:
    for _ in range(stage.times(small=1, ci=1, long=5)):
        with stage.trial(clocked=True) as trial:
            _begin(trial)
            trial.clock.suspend(SLEEP_S)
            yield _judge(trial, "asleep 1 h")
        for name, seconds in STEPS_S.items():
            if stage.size is Size.SMALL and name != "back 2 h":
                continue
            with stage.trial(clocked=True) as trial:
                _begin(trial)
                trial.clock.step(seconds)
                yield _judge(trial, name)


def _begin(trial: Trial) -> None:
    trial.blind = frozenset({"I10"})
    trial.start()
    for engine in trial.world.engines:
        for ttl_s in TTLS_S:
            trial.clients.issue(engine, ttl_s)


def _judge(trial: Trial, move: str) -> Record:
    time.sleep(OVER_S)
    settled = trial.settle()
    return Record.of(settled, reached=trial.journal.issued > 0, move=move)
