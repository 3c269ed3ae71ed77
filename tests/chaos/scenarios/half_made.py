"""The target makes an account and refuses what belongs to it, time after time (T3).

MariaDB makes the user and has no such table to grant on, PostgreSQL's table has no room for one
more right, Redis has the user and cannot save it. What stands is gone within seconds, the refusal
tells its reason, and who asks for another role there is served meanwhile.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import psycopg

from chaos.facts import Violation
from chaos.journal import Outcome
from chaos.stage import Record, Stage, totals
from chaos.trial import Trial
from chaos.world import World
from servers.mysql import PrivateMariadb
from servers.postgres import PostgresServer
from servers.redis import RedisServer

PLAN = "T3"
GONE_S = 10.0
TTL_S = 600
BETWEEN = 3
"""So many refusals in a row, and then one that is served: as many have a target count as away."""
CROWD = 3_000
"""More roles than a table can have rights for."""
FULL_AFTER = 10
"""A table is full when so many more rights were refused, one by one."""
_TO_THE_LAST = "quotas: {engines: {pg: {ceiling_refuse_pct: 100}}}\n"
"""Or the daemon would refuse at a table that is nearly full, before the target does."""
_PG = [
    "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'",
    'GRANT SELECT ON public.crowded TO "{{name}}"',
]
_MY = [
    "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'",
    "GRANT SELECT ON app.missing TO '{{name}}'@'%'",
]


def run(stage: Stage) -> Iterator[Record]:
    world = stage.world
    roles = {
        f"{name}/half": json.dumps(case.recipe)
        for name, case in CASES.items()
        if name in world.engines
    }
    quotas = _TO_THE_LAST if "pg" in world.servers else ""
    with stage.trial(policy=world.policy(roles=roles) + quotas) as trial:
        trial.start()
        for name in world.engines:
            with CASES[name].prepared(world):
                yield _refuse(trial, name, stage.times(small=6, ci=40, long=200))
        yield Record({"totals": True}, figures=totals(trial))


@contextmanager
def _as_it_is(_: World) -> Iterator[None]:
    yield


@dataclass(frozen=True)
class _Case:
    """How a target comes to refuse the second half, and what the refusal has to tell.

    `made` counts how often the target was told to make an account. It is `prepared` for all runs,
    `refusing` for a few of them.
    """

    recipe: Mapping[str, Sequence[str]]
    told: str
    made: Callable[[World], int]
    prepared: Callable[[World], AbstractContextManager[None]] = _as_it_is
    refusing: Callable[[World], AbstractContextManager[None]] = _as_it_is


def _refuse(trial: Trial, engine: str, count: int) -> Record:
    case, world = CASES[engine], trial.world
    before, served = case.made(world), 0
    refused: list[str] = []
    found: list[Violation] = []
    gone_s = 0.0
    while len(refused) < count:
        with case.refusing(world):
            told = _ask_until_refused(trial, engine, min(BETWEEN, count - len(refused)))
            refused += told
            gone_s = max(gone_s, _until_gone(trial, engine))
        if not told:
            break
        held = trial.clients.issue(engine, TTL_S)
        if held is None:
            found.append(Violation(PLAN, f"{engine} does not issue to another role meanwhile"))
            break
        trial.clients.revoke(held)
        served += 1
    if gone_s > GONE_S:
        found.append(Violation(PLAN, f"accounts at {engine} stood {gone_s:.0f} s half made"))
    unclear = {text for text in refused if case.told not in text}
    found += [Violation(PLAN, f"{engine}: the refusal does not tell why: {it}") for it in unclear]
    made = case.made(world) - before - served
    settled = trial.settle(deep=True)
    return Record(
        {"engine": engine, "refused": len(refused), "made": made, "told": refused[-1:]},
        [*found, *settled.violations],
        round(gone_s, 2),
        reached=made >= len(refused) == count,
    )


def _ask_until_refused(trial: Trial, engine: str, count: int) -> list[str]:
    """What was told to `count` callers who were refused, or to fewer within ten seconds."""
    known, began = len(trial.journal.asks), time.monotonic()
    while True:
        asked = list(trial.journal.asks.values())[known:]
        told = [ask.told for ask in asked if ask.outcome is Outcome.REFUSED]
        if len(told) >= count or time.monotonic() - began > GONE_S:
            return told
        early = trial.clients.issue(engine, TTL_S, role="half")
        if early is not None:  # Redis saves within a second, and whoever comes first is served
            trial.clients.revoke(early)
            time.sleep(0.2)


def _until_gone(trial: Trial, engine: str) -> float:
    """Seconds until no account of ours stands there, or twice the bar."""
    began = time.monotonic()
    while trial.world.targets[engine].accounts():
        if time.monotonic() - began > 2 * GONE_S:
            break
        time.sleep(0.05)
    return time.monotonic() - began


@contextmanager
def _crowded(world: World) -> Iterator[None]:
    """A table whose row in pg_class has no room for one more right."""
    server = world.servers["pg"]
    assert isinstance(server, PostgresServer)
    names = [f"crowd_{number}" for number in range(CROWD)]
    try:
        server.execute("CREATE TABLE public.crowded ()")
        server.execute("; ".join(f"CREATE ROLE {name}" for name in names))
        with server.connect() as conn:
            some, refused = CROWD // 6, 0
            while refused < FULL_AFTER:
                grant = f"GRANT SELECT ON public.crowded TO {', '.join(names[:some])}"
                try:
                    conn.execute(grant)  # type: ignore[call-overload]
                except psycopg.errors.ProgramLimitExceeded:
                    refused += some == 1
                    some = max(1, some // 2)
                del names[:some]
        yield
    finally:
        server.execute("DROP TABLE IF EXISTS public.crowded")
        server.execute(
            "DO $$ DECLARE names text; BEGIN SELECT string_agg(rolname, ', ') INTO names"
            " FROM pg_roles WHERE rolname LIKE 'crowd%'; IF names IS NOT NULL THEN"
            " EXECUTE 'DROP ROLE ' || names; END IF; END $$"
        )


@contextmanager
def _unsaved(world: World) -> Iterator[None]:
    """A Redis that cannot put a new file in the place of its users' file."""
    server = world.servers["rd"]
    assert isinstance(server, RedisServer)
    kept = server.users.rename(server.users.with_suffix(".kept"))
    server.users.mkdir()
    try:
        yield
    finally:
        server.users.rmdir()
        kept.rename(server.users)


def _created_roles(world: World) -> int:
    server = world.servers["pg"]
    assert isinstance(server, PostgresServer)
    return server.log().count('LOG:  statement: CREATE ROLE "lh')


def _created_users(world: World) -> int:
    server = world.servers["my"]
    assert isinstance(server, PrivateMariadb)
    [(_, number)] = server.execute("SHOW GLOBAL STATUS LIKE 'Com_create_user'")
    return int(number)


def _set_users(world: World) -> int:
    server = world.servers["rd"]
    assert isinstance(server, RedisServer)
    stats = server.ask("INFO", "commandstats")
    return int(stats.get("cmdstat_acl|setuser", {}).get("calls", 0))


CASES = {
    "pg": _Case({"creation_statements": _PG}, "(54000)", _created_roles, prepared=_crowded),
    "my": _Case({"creation_statements": _MY}, "no such table (1146)", _created_users),
    "rd": _Case({"commands": ["+@read"]}, "ACL SAVE failed", _set_users, refusing=_unsaved),
}
