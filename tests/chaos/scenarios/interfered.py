"""An administrator of a target meddles with accounts before their leases end (T14).

Accounts are dropped, renamed, made owners, granted to others, given every right, and have 50
sessions open. Nobody may use one 5 s after its end, and what cannot be dropped is told.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chaos.client import ask
from chaos.facts import ENDED, Census, Violation
from chaos.journal import Held
from chaos.meddling import WAYS, Way, give_up, others, session, works
from chaos.stage import Record, Stage
from chaos.trial import Trial
from chaos.world import World

PLAN = "T14"
TTL_S = 8
"""Long enough to open all sessions, on a machine that has more to do."""
SHUT_S = 5.0


def run(stage: Stage) -> Iterator[Record]:
    for _ in range(stage.times(small=1, ci=1, long=10)):
        with others(stage.world), stage.trial() as trial:
            trial.start()
            yield from _meddle(trial)
            yield Record.of(trial.settle(deep=True), after="meddling")


@dataclass
class _Meddled:
    """One account with what was done to it."""

    engine: str
    name: str
    way: Way
    held: Held
    open: Sequence[Callable[[], object]]
    in_time: bool
    shut_s: float | None = None

    def is_shut(self, world: World) -> bool:
        """Whether nobody gets in, and nobody is in."""
        target = world.targets[self.engine]
        called = self.way.called.format(self.held.account)
        return not target.opens(called, self.held.password) and not any(map(works, self.open))


def _meddle(trial: Trial) -> Iterator[Record]:
    world = trial.world
    with contextlib.ExitStack() as stack:
        some: list[_Meddled] = []
        for engine in world.engines:
            for name, way in WAYS[engine].items():
                if (held := trial.clients.issue(engine, TTL_S)) is None:
                    yield Record({"engine": engine, "way": name}, reached=False)
                    continue
                opened = [stack.enter_context(session(world, held)) for _ in range(way.sessions)]
                way.act(world, held.account)
                in_time = trial.clock.boot_ms() < held.earliest_ms
                some.append(_Meddled(engine, name, way, held, opened, in_time))
        while any(each.shut_s is None for each in some):
            for each in [each for each in some if each.shut_s is None]:
                over_s = (trial.clock.boot_ms() - each.held.latest_ms) / 1000
                if over_s > 2 * SHUT_S or (over_s > 0 and each.is_shut(world)):
                    each.shut_s = over_s
            time.sleep(0.05)
    census = _written(trial, [each.held for each in some if not each.way.kept])
    for each in some:
        yield Record(
            {"engine": each.engine, "way": each.name},
            [*_judged(trial, each, census)],
            round(each.shut_s or 0.0, 2),
            reached=each.in_time,
        )
    for each in [each for each in some if each.way.kept]:
        give_up(world, each.engine)
    ask(trial.daemon.socket, "POST", "/v1/sys/leases/tidy")


def _judged(trial: Trial, meddled: _Meddled, census: Census) -> Iterator[Violation]:
    held, way = meddled.held, meddled.way
    state, told = census.rows[held.lease_id].state, census.told[held.lease_id].events
    if meddled.shut_s is None or meddled.shut_s > SHUT_S:
        yield Violation(PLAN, f"{held.account} is of use {SHUT_S:g} s after its end")
    if not way.kept and state != ENDED:
        yield Violation(PLAN, f"{held.account} is {state} after {told}")
    if not way.kept and not way.sessions and "attempt-failed" in told:
        yield Violation(PLAN, f"{held.account} did not go at the first attempt: {told}")
    if way.kept and not (state == "disabled" and _residue(trial, held)):
        yield Violation(PLAN, f"what keeps {held.account} is not told")


def _written(trial: Trial, held: Sequence[Held]) -> Census:
    """A census when the ledger has what became of these, or later than it may have it."""
    until = time.monotonic() + SHUT_S
    while True:
        census = trial.census()
        if all(census.rows[it.lease_id].state == ENDED for it in held):
            return census
        if time.monotonic() > until:
            return census
        time.sleep(0.1)


def _residue(trial: Trial, held: Held) -> str:
    """Why the account could not be dropped, as the daemon tells it."""
    reply = ask(trial.daemon.socket, "GET", "/v1/leasehold/leases?limit=500&state=disabled")
    told = {it["lease_id"]: it["last_error"] for it in reply.body["data"]["leases"]}
    return str(told.get(held.lease_id, ""))
