"""The script that drops what is overdue needs no leasehold, and touches nobody else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes.mongod import Mongod, mongod

SCRIPT = Path(__file__).parents[3] / "examples" / "mongodb" / "end-overdue"
RIGHTS = [
    {"resource": {"db": "admin", "collection": ""}, "actions": ["dropUser"]},
    {"resource": {"cluster": True}, "actions": ["viewUser", "killAnySession"]},
]
NAME = "lhmark_{}aaaaaaaaaaaaaaa_zzzz"


@pytest.fixture
def server() -> Iterator[Mongod]:
    with mongod() as server:
        server.users.roles["second", "admin"] = RIGHTS
        server.users.add("second", "l1ne", [{"role": "second", "db": "admin"}])
        yield server


def run(server: Mongod, password: str = "l1ne") -> "subprocess.CompletedProcess[str]":
    uri = f"mongodb://second:{password}@{server.address}/"
    environment = {**os.environ, "MONGODB_URI": uri}
    command = [sys.executable, str(SCRIPT)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_what_is_overdue_is_dropped_and_nothing_else(server: Mongod) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    ends = {"a": now - timedelta(minutes=1), "b": now + timedelta(minutes=1)}
    for letter, until in ends.items():
        server.users.add(NAME.format(letter), "x", [], data={"leasehold": {"until": until}})
    server.users.add("human", "x", [], data={"leasehold": {"until": ends["a"]}})
    server.users.add(NAME.format("c"), "x", [])
    done = run(server)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"dropped {NAME.format('a')} of admin\n"
    left = {user for user, _ in server.users.users}
    assert left == {"root", "second", "human", NAME.format("b"), NAME.format("c")}
    assert "killAllSessions" in [name for name, _ in server.seen]


def test_what_goes_wrong_is_one_line_without_the_password(server: Mongod) -> None:
    done = run(server, "wr0ng")
    assert done.returncode == 1
    assert done.stderr == "end-overdue: OperationFailure, nothing more was done\n"
