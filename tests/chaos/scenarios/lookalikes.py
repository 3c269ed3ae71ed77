"""A thousand accounts of somebody else, whose names look like ours, stand at each target (T14).

Meanwhile accounts of ours come and go, orphans are looked for and removed, and the daemon dies and
starts again. None of theirs may be touched.
"""

import random
from collections.abc import Iterator

from chaos import foreign
from chaos.facts import Violation
from chaos.provoking import orphan, remove_orphans
from chaos.stage import Record, Size, Stage
from chaos.trial import Trial

PLAN = "T14"
FOREIGN = {Size.SMALL: 40, Size.CI: 400, Size.LONG: 1_000}
LOOKS = 3
TTL_S = 600


def run(stage: Stage) -> Iterator[Record]:
    dice = random.Random(stage.seed)
    for _ in range(stage.times(small=1, ci=1, long=3)):
        with stage.trial() as trial:
            trial.start()
            yield from _beside(trial, dice, FOREIGN[stage.size])
            yield Record.of(trial.settle(deep=True), after="all others were gone")


def _beside(trial: Trial, dice: random.Random, count: int) -> Iterator[Record]:
    world = trial.world
    mine = [held for name in world.engines if (held := trial.clients.issue(name, TTL_S))]
    names = foreign.lookalikes(dice, mine[0].account[2:6], count)
    for server in world.servers.values():
        foreign.make(server, names)
    before = {name: foreign.standing(server, names) for name, server in world.servers.items()}
    for _ in range(LOOKS):
        if "pg" in world.engines:
            orphan(trial)
        remove_orphans(trial)
        trial.kill()
    for held in mine:
        trial.clients.revoke(held)
    for engine, server in world.servers.items():
        after = foreign.standing(server, names)
        found = [
            Violation(PLAN, f"{name} of somebody else was touched at {engine}")
            for name in names
            if after.get(name) != before[engine][name]
        ]
        foreign.drop(server, [name for name in names if name in after])
        what = {"engine": engine, "foreign": len(before[engine])}
        yield Record(what, found, reached=len(before[engine]) == count)
