"""Targets come and go, answer two seconds late, or break every tenth reply off (T12).

Nothing is lost by that. When they are well again each engine issues, and all that ended is gone.
Where replies are late, but not too late for a login of the daemon's, leases end hardly later while
clients ask for new ones.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import replace

from chaos.facts import Violation
from chaos.pace import Pace
from chaos.relay import Relay
from chaos.stage import Record, Size, Stage, totals
from chaos.trial import Trial
from chaos.world import STATEMENT_TIMEOUT_S
from servers.postgres import free_port

PLAN = "T12"
UP_S, DOWN_S = 5.0, {Size.SMALL: 3.0, Size.CI: 8.0, Size.LONG: 20.0}
LASTS_S = {Size.SMALL: 8.0, Size.CI: 13.0, Size.LONG: 1_800.0}
LATE_S, A_LITTLE_LATE_S = 2.0, 0.2
PATIENT = "timeout: 30"
"""The engines' statement timeout: a call has many replies, each of which is late."""
BREAKS_EVERY = 10
RATE = 12.0
LEASES, TTL_S = 3, 4
SHORT_S, LONG_S = 5, 600
GONE_S = 60.0
DELAYED_S = 1.0
ISSUE_S, SETTLE_S = 25.0, 20.0


class _Weather(Relay):
    """A relay whose replies come `late_s` late, or break off every `breaks`th time."""

    def __init__(self, to: int) -> None:
        super().__init__(to)
        self.late_s = 0.0
        self.breaks = 0
        self._replies = itertools.count(1)

    def passed(self, data: bytes, *, to_server: bool) -> bytes:
        if not to_server:
            time.sleep(self.late_s)
            if self.breaks and next(self._replies) % self.breaks == 0:
                raise ConnectionResetError
        return data


Relays = Mapping[str, _Weather]


def run(stage: Stage) -> Iterator[Record]:
    for _ in range(stage.times(small=1, ci=1, long=1)):
        for name in [name for name in WAYS if not stage.only or name in stage.only]:
            with ExitStack() as undo:
                servers = stage.world.servers
                relays = {engine: _Weather(server.port) for engine, server in servers.items()}
                for relay in relays.values():
                    undo.callback(relay.close)
                policy = stage.world.policy({engine: it.port for engine, it in relays.items()})
                if name == "late beside issues":
                    policy = policy.replace(f"timeout: {STATEMENT_TIMEOUT_S}", PATIENT)
                trial = undo.enter_context(stage.trial(policy=policy))
                trial.start()
                yield from WAYS[name](stage, trial, relays)


def _come_and_go(stage: Stage, trial: Trial, relays: Relays) -> Iterator[Record]:
    right, nobody = {name: relay.to for name, relay in relays.items()}, free_port()
    began, attempts = time.monotonic(), 0
    with trial.load(rate=RATE, seed=stage.seed):
        while time.monotonic() - began < LASTS_S[stage.size]:
            time.sleep(UP_S)
            gone_at = time.monotonic()
            for relay in relays.values():
                relay.to = nobody
                relay.cut()
            time.sleep(DOWN_S[stage.size])
            attempts += sum(at > gone_at for relay in relays.values() for at in relay.accepted)
            for name, relay in relays.items():
                relay.to = right[name]
    yield _well_again(trial, "come and go")
    yield Record({"totals": True}, figures={"attempts while away": attempts, **totals(trial)})


def _break_off(stage: Stage, trial: Trial, relays: Relays) -> Iterator[Record]:
    for relay in relays.values():
        relay.breaks = BREAKS_EVERY
    with trial.load(rate=RATE, seed=stage.seed):
        time.sleep(LASTS_S[stage.size])
    for relay in relays.values():
        relay.breaks = 0
    yield _well_again(trial, "break off")
    yield Record({"totals": True}, figures=totals(trial))


def _late(stage: Stage, trial: Trial, relays: Relays) -> Iterator[Record]:
    with trial.load(rate=RATE, seed=stage.seed):
        time.sleep(UP_S)
        for relay in relays.values():
            relay.late_s = LATE_S
        time.sleep(LASTS_S[stage.size])
        for relay in relays.values():
            relay.late_s = 0.0
    yield _well_again(trial, "late")
    yield Record({"totals": True}, figures=totals(trial))


def _late_beside(stage: Stage, trial: Trial, relays: Relays) -> Iterator[Record]:
    """One engine answers late; leases end there, first in peace and then while clients ask."""
    engine, relay = next(iter(relays.items()))
    overrun_s = [_overrun_s(trial, engine, relay, busy=busy) for busy in (False, True)]
    relay.late_s = 0.0
    found = []
    if max(overrun_s) > GONE_S:
        found.append(Violation(PLAN, f"leases did not end within {GONE_S:g} s"))
    if overrun_s[1] > overrun_s[0] + DELAYED_S:
        text = (
            f"leases ended {overrun_s[1]:.1f} s late beside issues, and {overrun_s[0]:.1f} s else"
        )
        found.append(Violation(PLAN, text))
    well = _well_again(trial, "late beside issues")
    yield replace(well, violations=[*found, *well.violations])
    names = ("ended late by_s", "and beside issues")
    yield Record(
        {"totals": True}, figures={**dict(zip(names, overrun_s, strict=True)), **totals(trial)}
    )


def _overrun_s(trial: Trial, engine: str, relay: _Weather, *, busy: bool) -> float:
    """How long after their end some leases' accounts stand at an engine that answers late."""
    relay.late_s = 0.0
    made = [trial.clients.issue(engine, TTL_S) for _ in range(LEASES)]
    end = time.monotonic() + TTL_S
    relay.late_s = A_LITTLE_LATE_S

    def ask(_: int) -> None:
        trial.clients.issue(engine, LONG_S)

    with Pace(ask, RATE) if busy else nullcontext():
        accounts = {held.account for held in made if held is not None}
        assert len(accounts) == LEASES
        while accounts & trial.world.targets[engine].accounts().keys():
            if time.monotonic() > end + GONE_S:
                break
            time.sleep(0.1)
        return round(time.monotonic() - end, 1)


def _well_again(trial: Trial, way: str) -> Record:
    """After the weather: every engine issues, and what a census finds."""
    until = time.monotonic() + ISSUE_S
    found = []
    for engine in trial.world.engines:
        while trial.clients.issue(engine, SHORT_S) is None:
            if time.monotonic() > until:
                text = f"{engine} does not issue within {ISSUE_S:g} s after it is well again"
                found.append(Violation(PLAN, text))
                break
            time.sleep(0.2)
    settled = trial.settle(SETTLE_S)
    return Record({"way": way}, [*found, *settled.violations], reached=trial.journal.issued > 0)


WAYS: dict[str, Callable[[Stage, Trial, Relays], Iterator[Record]]] = {
    "come and go": _come_and_go,
    "break off": _break_off,
    "late": _late,
    "late beside issues": _late_beside,
}
