"""The broker is away, is killed, never acknowledges, or has a subscriber that does not read (T15).

What goes to the broker is read on the way. No event is lost or overtaken, at most the one in flight
comes twice for each connection, and clients do not notice. A broker that writes to its disk at once
loses nothing behind its acknowledgement; one with Mosquitto's defaults does, and subscribers see
from the numbers what they lack.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from chaos.facts import Violation
from chaos.pace import Pace
from chaos.stage import Record, Size, Stage, totals
from chaos.tap import Tap
from chaos.trial import Trial
from chaos.world import World
from servers.mosquitto import MosquittoServer, Subscriber

PLAN = "T15"
RATE, TTL_S = 18.0, 2
"""Each lease tells of its issue, of its near end and of that: about 50 events a second."""
WARM_S = 1.5
QUIET_S = {Size.SMALL: 2.0, Size.CI: 4.0, Size.LONG: 60.0}
AWAY_S = {Size.SMALL: 3.0, Size.CI: 7.0, Size.LONG: 600.0}
MUTE_S = {Size.SMALL: 11.0, Size.CI: 11.0, Size.LONG: 60.0}
KILLS = {Size.SMALL: 1, Size.CI: 3, Size.LONG: 100}
LIFE_S = 1.5
LONGEST_WAIT_S, DRAINED_A_S = 31.0, 200
"""The daemon tries again at least that often; then so many events flow a second, or more."""
SLOWER, NOISE_MS = 1.1, 20.0
"""Clients notice when p99 grows by more than a tenth, and is above what one disturbance costs."""
ENOUGH, STALL, STALL_MS = 1_000, 1.5, 250.0
"""Of fewer requests p99 is the worst one, on any machine; then only a stall counts."""


@dataclass(frozen=True)
class _Play:
    stage: Stage
    trial: Trial
    broker: MosquittoServer
    tap: Tap
    heard: Subscriber


def _away(play: _Play) -> None:
    play.broker.stop()
    time.sleep(AWAY_S[play.stage.size])
    play.broker.start()


def _killed(play: _Play) -> None:
    for _ in range(KILLS[play.stage.size]):
        time.sleep(LIFE_S)
        play.broker.stop(signal.SIGKILL)
        play.broker.start()
    time.sleep(LIFE_S)


def _mute(play: _Play) -> None:
    play.tap.mute = True
    time.sleep(MUTE_S[play.stage.size])
    play.tap.mute = False


def _not_read(play: _Play) -> None:
    play.heard.send(signal.SIGSTOP)
    time.sleep(AWAY_S[play.stage.size])
    play.heard.send(signal.SIGCONT)


@dataclass(frozen=True)
class _Way:
    happens: Callable[[_Play], None]
    durable: bool = True


WAYS = {
    "away": _Way(_away),
    "killed": _Way(_killed),
    "killed, with its defaults": _Way(_killed, durable=False),
    "never acknowledges": _Way(_mute),
    "a subscriber that does not read": _Way(_not_read),
}


def run(stage: Stage) -> Iterator[Record]:
    for _ in range(stage.times(small=1, ci=1, long=1)):
        for name in [name for name in WAYS if not stage.only or name in stage.only]:
            with _played(stage, WAYS[name]) as play:
                yield from _suffer(play, name, WAYS[name])


@contextmanager
def _played(stage: Stage, way: _Way) -> Iterator[_Play]:
    """A daemon on a broker of its own, with a tap between them and one more subscriber."""
    with ExitStack() as undo:
        broker = MosquittoServer(durable=way.durable)
        undo.callback(broker.remove)
        tap = Tap(broker.start().port)
        undo.callback(tap.close)
        there = replace(stage, world=World(stage.world.servers, broker))
        trial = undo.enter_context(there.trial())
        heard = undo.enter_context(broker.subscriber(name="second"))
        trial.daemon.mqtt = f"mqtt://127.0.0.1:{tap.port}"
        if not way.durable:
            trial.blind = frozenset({"I8"})  # what is lost behind the broker is counted here
        trial.start()
        yield _Play(stage, trial, broker, tap, heard)


def _suffer(play: _Play, name: str, way: _Way) -> Iterator[Record]:
    trial, tap, engines = play.trial, play.tap, play.stage.world.engines

    def ask(number: int) -> None:
        trial.clients.issue(engines[number % len(engines)], TTL_S)

    with Pace(ask, RATE):  # connections are opened
        time.sleep(WARM_S)
    with Pace(ask, RATE) as before:
        time.sleep(QUIET_S[play.stage.size])
    with Pace(ask, RATE) as during:
        way.happens(play)
    back_at = time.monotonic()
    waiting = len(trial.census().waiting)
    trial.clients.issue(engines[0], TTL_S)  # what follows a gap shows it
    settled = trial.settle(LONGEST_WAIT_S + 20)
    numbered = _drained(trial, back_at + LONGEST_WAIT_S + waiting / DRAINED_A_S)
    drained_s = round(time.monotonic() - back_at, 1)
    found = [
        *_on_the_way(tap, numbered),
        *_heard(play, numbered, whole=way.durable),
        *_noticed(before, during),
    ]
    told = _numbers(play.heard, numbered)
    yield Record(
        {"way": name, "events": numbered},
        [*map(partial(Violation, PLAN), found), *settled.violations],
        drained_s,
        reached=waiting > 0 or way.happens is not _away,
    )
    figures = {
        "way": name,
        "sent": len(tap.sent),
        "taken": len(tap.acknowledged),
        "sessions": tap.sessions,
        "sent twice": len(tap.sent) - len(set(tap.sent)),
        "heard": len(set(told)),
        "heard twice": len(told) - len(set(told)),
        "missing": numbered - len(set(told)),
        "waited most": waiting,
        "drained_s": drained_s,
        "p99_ms before": before.p99_ms(),
        "and during": during.p99_ms(),
    }
    yield Record({"way": name}, figures={**figures, **totals(trial)})


def _drained(trial: Trial, until: float) -> int:
    """Wait until nothing is in the outbox; returns how many events there ever were."""
    while (census := trial.census()).waiting and time.monotonic() < until:
        time.sleep(0.2)
    return census.numbered


def _on_the_way(tap: Tap, numbered: int) -> Iterator[str]:
    """Between outbox and broker: nothing lost, nothing overtaken, few doubles."""
    if lost := set(range(1, numbered + 1)) - set(tap.acknowledged):
        yield f"{len(lost)} events were not acknowledged by the broker: {sorted(lost)[:5]}"
    first = list(dict.fromkeys(tap.sent))
    if first != sorted(first):
        yield "events were sent out of their order"
    doubles = len(tap.sent) - len(first)
    if doubles > tap.sessions - 1:
        yield f"{doubles} events were sent twice in {tap.sessions} connections"


def _heard(play: _Play, numbered: int, *, whole: bool) -> Iterator[str]:
    """At a subscriber: all of it in order; or, of a broker that forgets, no gap without a sign."""
    until = time.monotonic() + 10
    while max(told := _numbers(play.heard, numbered), default=0) < numbered:
        if time.monotonic() > until:
            yield "a subscriber did not hear the last event within 10 s"
            return
        time.sleep(0.1)
    first = list(dict.fromkeys(told))
    if first != sorted(first):
        yield "a subscriber heard events out of their order"
    if whole and len(first) < numbered:
        yield f"a subscriber missed {numbered - len(first)} of {numbered} events"
    seen = [second - one - 1 for one, second in zip([0, *first], first, strict=False)]
    if sum(seen) != numbered - len(first):
        yield f"{numbered - len(first)} events are missing, and the numbers show {sum(seen)}"


def _numbers(heard: Subscriber, most: int) -> list[int]:
    """The numbers up to `most` of events that a subscriber heard, doubles and all."""
    told = [int(received.payload.get("sequence", 0)) for received in heard.received]
    return [number for number in told if 0 < number <= most]


def _noticed(before: Pace, during: Pace) -> Iterator[str]:
    enough = min(len(before.seconds), len(during.seconds)) >= ENOUGH
    slower, least_ms = (SLOWER, NOISE_MS) if enough else (STALL, STALL_MS)
    before_ms, during_ms = before.p99_ms(), during.p99_ms()
    if during_ms > least_ms and during_ms > slower * before_ms:
        yield f"issuing took {during_ms:.1f} ms at p99 instead of {before_ms:.1f} ms"
