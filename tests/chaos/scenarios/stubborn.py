"""A target that refuses to drop one account, more often than anybody would try, and then does.

Every attempt is asked for at once, as an operator does with `tidy`, since the pauses between them
grow. What is left when the target gives in must go by itself, at the pace of the worker.
"""

import time
from collections.abc import Iterator

from chaos.client import ask
from chaos.facts import Violation
from chaos.stage import Record, Stage
from chaos.trial import Trial
from servers.postgres import PostgresServer

PLAN = "Q3, Q4"
ATTEMPTS = 8
ATTEMPT_S = 10.0
GONE_S = 20.0


def run(stage: Stage) -> Iterator[Record]:
    if "pg" not in stage.world.engines:
        return
    for number in range(stage.times(small=1, ci=1, long=10)):
        with stage.trial(clocked=True) as trial:
            trial.start()
            yield _refuse(trial, number)


def _refuse(trial: Trial, number: int) -> Record:
    server = trial.world.servers["pg"]
    assert isinstance(server, PostgresServer)
    held = trial.clients.issue("pg", 600)
    assert held is not None
    # What a role owns keeps it, and DROP OWNED leaves databases out.
    database = f"kept{number}"
    server.execute(f"CREATE DATABASE {database} TEMPLATE template0")
    server.execute(f'ALTER DATABASE {database} OWNER TO "{held.account}"')
    try:
        trial.clients.revoke(held)
        tried = 1
        while tried < ATTEMPTS and _attempts(trial) < ATTEMPTS:
            ask(trial.daemon.socket, "POST", "/v1/sys/leases/tidy")
            time.sleep(0.3)
            # The pauses between attempts grow, and time is what a scenario has least of.
            trial.clock.suspend(300)
            tried += 1
        attempts = _attempts(trial)
    finally:
        server.execute(f"DROP DATABASE {database}")
    trial.clock.suspend(300)
    began = time.monotonic()
    left: list[Violation] = []
    while held.account in trial.world.targets["pg"].accounts():
        if time.monotonic() - began > GONE_S:
            left = [Violation("I4", f"{held.account} stays although the target would drop it")]
            break
        time.sleep(0.1)
    seconds = round(time.monotonic() - began, 3)
    return Record({"attempts": attempts}, left, seconds, reached=attempts > ATTEMPTS - 2)


def _attempts(trial: Trial) -> int:
    """How often the daemon says that it tried."""
    census = trial.census()
    return sum(
        event in ("attempt-failed", "disabled")
        for told in census.told.values()
        for event in told.events
    )
