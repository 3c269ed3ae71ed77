"""Groups, heirs, accounts, schemas, tables, views, events and databases with hostile names (T38).

Leases are issued and revoked around them, at PostgreSQL and MariaDB. No name may be read as a
statement: whatever the server has besides is the same afterwards, and every revocation goes
through at its first attempt.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence

from chaos.facts import Census, Violation
from chaos.journal import Held
from chaos.naming import MysqlNamed, Named, PostgresNamed
from chaos.stage import Record, Stage
from chaos.trial import Trial
from servers.mysql import PrivateMariadb
from servers.postgres import PostgresServer

PLAN = "T38"
AT_ONCE = 100
"""So many names of each kind are in one policy."""
TTL_S = 600


def run(stage: Stage) -> Iterator[Record]:
    dice = random.Random(stage.seed)
    left = stage.times(small=AT_ONCE // 5, ci=AT_ONCE, long=20 * AT_ONCE)
    while left > 0:
        count = min(left, AT_ONCE)
        left -= count
        for engine in ("pg", "my"):
            if engine in stage.world.engines:
                yield _tortured(stage, engine, dice.randrange(2**31), count)


def _tortured(stage: Stage, engine: str, seed: int, count: int) -> Record:
    server, dice = stage.world.servers[engine], random.Random(seed)
    named: Named
    if isinstance(server, PostgresServer):
        named = PostgresNamed(server, dice, count)
    else:
        assert isinstance(server, PrivateMariadb)
        named = MysqlNamed(server, dice, count)
    stage.world.clear()
    before = named.everything()
    recipes = named.recipes()
    roles = {f"{engine}/n{number}": json.dumps(each) for number, each in enumerate(recipes)}
    try:
        with stage.trial(policy=stage.world.policy(roles=roles)) as trial:
            trial.start()
            ended, found = _lives(trial, engine, named, count)
            settled = trial.settle(deep=True)
            found += [*_not_at_once(settled.census, ended), *settled.violations]
    finally:
        named.clear()
    found += _changes(engine, before, named.everything())
    what = {"engine": engine, "seed": seed, "names": count, "revoked": len(ended)}
    return Record(what, found, reached=len(ended) == count)


def _changes(
    engine: str, before: Mapping[str, Sequence[object]], after: Mapping[str, Sequence[object]]
) -> Iterator[Violation]:
    for kind, was in before.items():
        for each in [it for it in after[kind] if it not in was]:
            yield Violation(PLAN, f"{engine} has one more of {kind}: {each}")
        for each in [it for it in was if it not in after[kind]]:
            yield Violation(PLAN, f"{engine} has one less of {kind}: {each}")


def _lives(
    trial: Trial, engine: str, named: Named, count: int
) -> tuple[list[Held], list[Violation]]:
    """Issue, entangle and revoke, one after another; who was revoked, and what was wrong."""
    ended: list[Held] = []
    found: list[Violation] = []
    for number in range(count):
        held = trial.clients.issue(engine, TTL_S, role=f"n{number}")
        if held is None:
            told = list(trial.journal.asks.values())[-1].told
            found.append(Violation(PLAN, f"{engine} issues nothing for n{number}: {told}"))
            continue
        named.entangle(number, held.account)
        trial.clients.revoke(held)
        ended.append(held)
        found += [Violation(PLAN, f"{engine}: {each}") for each in named.unsettled(number)]
    return ended, found


def _not_at_once(census: Census, ended: list[Held]) -> Iterator[Violation]:
    for held in ended:
        row, told = census.rows[held.lease_id], census.told[held.lease_id]
        if row.state != "revoked" or {"attempt-failed", "disabled"} & set(told.events):
            yield Violation(PLAN, f"{held.lease_id} is {row.state} after {told.events}")
