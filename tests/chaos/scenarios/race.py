"""A renewal and a revocation of one lease at the same time, the renewal held up half way (W4)."""

import threading
import time
from collections.abc import Iterator

from chaos.stage import Record, Stage
from chaos.trial import Trial

PLAN = "W4"
HELD_UP_S = 0.4
PAIRS = 4


def run(stage: Stage) -> Iterator[Record]:
    with stage.trial() as trial:
        trial.start()
        for number in range(stage.times(small=1, ci=2, long=50)):
            for engine in trial.world.engines:
                yield _cross(trial, engine, number)


def _cross(trial: Trial, engine: str, number: int) -> Record:
    leases = [held for _ in range(PAIRS) if (held := trial.clients.issue(engine, 120))]
    trial.daemon.arm({"renew.moved": {"action": "sleep", "seconds": HELD_UP_S}})
    renewing = [threading.Thread(target=trial.clients.renew, args=(held, 240)) for held in leases]
    for thread in renewing:
        thread.start()
    time.sleep(HELD_UP_S / 2)
    for held in leases:
        trial.clients.revoke(held)
    for thread in renewing:
        thread.join()
    trial.daemon.arm({})
    return Record.of(trial.settle(), engine=engine, number=number)
