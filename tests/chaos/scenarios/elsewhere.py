"""The address leads to another, empty server for a while, where no account of ours stands (T13).

Leases end meanwhile. None of them may count as over, since their accounts stand where they were
made; when the address is right again they go.
"""

import time
from collections.abc import Iterator

from chaos.relay import Relay
from chaos.stage import Record, Stage
from servers.postgres import PostgresServer

PLAN = "T13 in part"
LEASES = 8
TTL_S = 3
LOOKS_S = 4.0
BACK_S = 30.0


def run(stage: Stage) -> Iterator[Record]:
    if "pg" not in stage.world.engines:
        return
    server = stage.world.servers["pg"]
    assert isinstance(server, PostgresServer)
    other = PostgresServer()
    relay = Relay(server.port)
    try:
        # The same administrator everywhere, as behind a name that was pointed at another host.
        other.start().reset()
        other.execute(f"ALTER ROLE {other.admin} PASSWORD '{server.password}'", "postgres")
        for number in range(stage.times(small=1, ci=1, long=10)):
            yield from _lead_elsewhere(stage, relay, server.port, other.port, number)
    finally:
        relay.close()
        other.remove()


def _lead_elsewhere(
    stage: Stage, relay: Relay, right: int, wrong: int, number: int
) -> Iterator[Record]:
    with stage.trial(policy=stage.world.policy({"pg": relay.port})) as trial:
        trial.start()
        held = [trial.clients.issue("pg", TTL_S) for _ in range(LEASES)]
        relay.to = wrong
        relay.cut()
        time.sleep(TTL_S + LOOKS_S)
        census = trial.census()
        found = [each for each in trial.judged(census) if each.invariant == "I3"]
        issued = sum(each is not None for each in held)
        yield Record({"number": number, "led to": "another"}, found, reached=issued == LEASES)
        relay.to = right
        relay.cut()
        yield Record.of(trial.settle(BACK_S), number=number, **{"led to": "the right one"})
