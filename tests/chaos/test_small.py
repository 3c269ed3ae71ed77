"""Scenarios in their small form: some kills, some faults, a cut, and a bug that must be found."""

from pathlib import Path

import pytest

from chaos.planted import BUGS
from chaos.runner import scenario
from chaos.stage import Record, Size, Stage
from chaos.world import World
from servers.mosquitto import MosquittoServer
from servers.mysql import PrivateMariadb
from servers.postgres import PostgresServer
from servers.redis import RedisServer

pytestmark = pytest.mark.servers

[FOUND_FAST] = [bug for bug in BUGS if bug.name == "late_intent"]
"""All twelve are hunted by `make chaos`."""


@pytest.fixture
def made(
    postgres: PostgresServer,
    mariadb: PrivateMariadb,
    redis_primary: RedisServer,
    mosquitto: MosquittoServer,
) -> World:
    return World({"pg": postgres, "my": mariadb, "rd": redis_primary}, mosquitto)


def played(stage: Stage, name: str) -> list[Record]:
    records = list(scenario(name).run(stage))
    if skipped := records[0].what.get("skipped"):
        pytest.skip(skipped)
    return records


@pytest.mark.parametrize("name", ["crash", "faults", "half_made", "kills", "order", "power"])
def test_every_promise_is_kept(made: World, tmp_path: Path, name: str) -> None:
    records = played(Stage(made, tmp_path, Size.SMALL, 1), name)
    assert [str(each) for record in records for each in record.violations] == []
    assert any(record.reached for record in records)


def test_a_planted_bug_is_found(made: World, tmp_path: Path) -> None:
    stage = Stage(made, tmp_path, Size.SMALL, 1, FOUND_FAST.name, FOUND_FAST.only)
    assert any(record.violations for record in scenario(FOUND_FAST.scenario).run(stage))
