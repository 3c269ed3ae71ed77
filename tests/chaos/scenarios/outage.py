"""A target is away for a while, and leases end meanwhile (T11).

It is stopped, or accepts and never answers, or refuses the administrator's password, or has no
connection left. What ended is told as overdue, the target is not stormed with attempts, other
engines do not notice, and all is gone soon after the target is back.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import psycopg

from chaos import ledger
from chaos.facts import ENDED, Violation
from chaos.invariants import OVERDUE_MS
from chaos.keys import Keys
from chaos.pace import Pace
from chaos.relay import Relay
from chaos.stage import Record, Size, Stage
from chaos.trial import Trial
from servers.postgres import PostgresServer

PLAN = "T11"
AWAY_S = {Size.SMALL: 45, Size.CI: 60, Size.LONG: 600}
LEASES = {Size.SMALL: 20, Size.CI: 100, Size.LONG: 2_000}
TTL_S, PER_LEASE_S = 5, 0.03
"""They are issued before the target goes, and end after that."""
ATTEMPTS_A_MINUTE = 10
DRAINED_S = 60.0
QUIET_S = 10.0
SLOWER, SLOW_MS = 1.5, 250.0
"""Others are affected when they take so much longer than before, and longer than that."""
RATE, ASKED_FOR_S = 4.0, 2.0


@contextmanager
def _stopped(server: PostgresServer) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def _frozen(server: PostgresServer) -> Iterator[None]:
    server.send(signal.SIGSTOP)
    try:
        yield
    finally:
        server.send(signal.SIGCONT)


@contextmanager
def _wrong_password(server: PostgresServer) -> Iterator[None]:
    right = server.password
    server.execute(f"ALTER ROLE {server.admin} PASSWORD 'another'", "postgres")
    server.password = "another"
    try:
        yield
    finally:
        server.execute(f"ALTER ROLE {server.admin} PASSWORD '{right}'", "postgres")
        server.password = right


@contextmanager
def _full(server: PostgresServer) -> Iterator[None]:
    taken, back = ExitStack(), threading.Event()

    def take() -> None:
        while not back.is_set():  # what the daemon lets go of is taken too
            try:
                taken.enter_context(contextlib.closing(server.connect()))
            except psycopg.OperationalError:
                back.wait(0.02)

    taker = threading.Thread(target=take)
    taker.start()
    try:
        yield
    finally:
        back.set()
        taker.join()
        taken.close()


WAYS: dict[str, Callable[[PostgresServer], AbstractContextManager[None]]] = {
    "stopped": _stopped,
    "frozen": _frozen,
    "wrong password": _wrong_password,
    "no connection left": _full,
}


def run(stage: Stage) -> Iterator[Record]:
    if "pg" not in stage.world.engines:
        return
    server = stage.world.servers["pg"]
    assert isinstance(server, PostgresServer)
    for _ in range(stage.times(small=1, ci=1, long=1)):
        for way in [way for way in WAYS if not stage.only or way in stage.only]:
            relay = Relay(server.port)
            try:
                yield _go_away(stage, server, relay, way)
            finally:
                relay.close()


def _go_away(stage: Stage, server: PostgresServer, relay: Relay, way: str) -> Record:
    count, away_s = LEASES[stage.size], AWAY_S[stage.size]
    with stage.trial(policy=stage.world.policy({"pg": relay.port})) as trial:
        trial.start()
        others = [name for name in stage.world.engines if name != "pg"]

        def ask(number: int) -> None:
            trial.clients.issue(others[number % len(others)], TTL_S)

        with Pace(ask, RATE) as before:
            time.sleep(QUIET_S)
        ttl_s = TTL_S + int(count * PER_LEASE_S)
        held = [trial.clients.issue("pg", ttl_s) for _ in range(count)]
        made = [each.account for each in held if each is not None]
        with WAYS[way](server), Pace(ask, RATE) as during:
            relay.cut()
            gone_at = time.monotonic()
            while time.monotonic() - gone_at < away_s:
                trial.clients.issue("pg", TTL_S)
                time.sleep(ASKED_FOR_S)
            found = [*_untold(trial)]
            back_at = time.monotonic()
        attempts = _most_a_minute([at for at in relay.accepted if gone_at < at < back_at])
        drained_s = _drained(trial, set(made))
        # Whoever finds a connection now and then is not away, and is asked more often.
        judged = attempts if way != "no connection left" else 0
        found += _judged(judged, drained_s, before.p99_ms(), during.p99_ms())
        settled = trial.settle()
        return Record(
            {"way": way, "away_s": away_s, "leases": len(made)},
            [*found, *settled.violations],
            drained_s,
            reached=len(made) == count,
            figures={
                "way": way,
                "attempts a minute": attempts,
                "drained_s": drained_s,
                "others' p99_ms before": before.p99_ms(),
                "and during": during.p99_ms(),
            },
        )


def _untold(trial: Trial) -> Iterator[Violation]:
    """Leases that ended long ago, while nobody could drop their accounts, and nobody was told."""
    state = trial.daemon.state
    copy = ledger.read(state / "leases.db", Keys(state / "key"), deep=False)
    now_ms = trial.clock.boot_ms() + copy.behind_ms
    late = [
        row
        for row in copy.rows.values()
        if row.engine == "pg" and row.state != ENDED and now_ms - row.expires_ms > OVERDUE_MS
    ]
    if not late:
        yield Violation(PLAN, "no lease ended while the target was away")
    for row in late:
        if not row.overdue:
            yield Violation("I4", f"lease {row.id} ended long ago and is not told as overdue")


def _most_a_minute(at: list[float]) -> int:
    return max((sum(since <= other < since + 60 for other in at) for since in at), default=0)


def _drained(trial: Trial, made: set[str]) -> float:
    """Seconds until none of these accounts is left, or twice the bar."""
    began = time.monotonic()
    while made & trial.world.targets["pg"].accounts().keys():
        if time.monotonic() - began > 2 * DRAINED_S:
            break
        time.sleep(0.1)
    return round(time.monotonic() - began, 2)


def _judged(
    attempts: int, drained_s: float, before_ms: float, during_ms: float
) -> Iterator[Violation]:
    if attempts > ATTEMPTS_A_MINUTE:
        yield Violation(PLAN, f"the target was tried {attempts} times in a minute")
    if drained_s > DRAINED_S:
        yield Violation(PLAN, f"accounts stood {drained_s:.0f} s after the target was back")
    if during_ms > SLOW_MS and during_ms > SLOWER * before_ms:
        yield Violation(PLAN, f"others took {during_ms:.0f} ms instead of {before_ms:.0f} ms")
