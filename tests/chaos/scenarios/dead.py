"""The daemon is stopped, killed, frozen, or beats on and ends nothing (T46).

`leasehold-verify` tells of each within two minutes, with a timer of one minute; so does one on
another host, which has only the broker, where the daemon has gone. While it is dead PostgreSQL
refuses the login from a minute after the lease's end; at MariaDB and Redis the account lives on.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from chaos import ledger
from chaos.facts import Violation
from chaos.journal import Held
from chaos.keys import Keys
from chaos.stage import Record, Size, Stage
from chaos.trial import Trial

PLAN = "T46"
TTL_S = 3
TOLD_S, TIMER_S = 120.0, 60.0
"""The bar, and how long it may take until the timer looks again."""
DEFAULT_OVERDUE_S = 45
OVERDUE_S = {Size.SMALL: 5, Size.CI: 10, Size.LONG: DEFAULT_OVERDUE_S}
"""What `--overdue-s` is; only a long run has time for the default, which it leaves as it is."""
WELL_S = 20.0
GRACE_S = 60.0
REFUSES = frozenset({"pg"})
"""Where a login is refused a minute after the end, without the daemon: docs/verify.md."""


def _stop(trial: Trial) -> None:
    trial.daemon.stop()


def _kill(trial: Trial) -> None:
    trial.kill(then_start=False)


def _freeze(trial: Trial) -> None:
    assert trial.daemon.process is not None
    trial.daemon.process.send_signal(signal.SIGSTOP)


def _thaw(trial: Trial) -> None:
    assert trial.daemon.process is not None
    trial.daemon.process.send_signal(signal.SIGCONT)


def _lie(trial: Trial) -> None:
    trial.daemon.arm({"expiry.sweep": {"action": "raise"}})


def _tell_the_truth(trial: Trial) -> None:
    trial.daemon.arm({})


@dataclass(frozen=True)
class _Way:
    """How it is dead, how it comes back, who sees that, whether logins are tried meanwhile."""

    begin: Callable[[Trial], None]
    end: Callable[[Trial], None]
    seen_from_afar: bool = True
    tried: bool = False


WAYS = {
    "stopped": _Way(_stop, Trial.start),
    "killed": _Way(_kill, Trial.start),
    "frozen": _Way(_freeze, _thaw, tried=True),
    "lying": _Way(_lie, _tell_the_truth, seen_from_afar=False),
}


def run(stage: Stage) -> Iterator[Record]:
    for _ in range(stage.times(small=1, ci=1, long=3)):
        with stage.trial() as trial:
            trial.start()
            watchers = _Watchers(stage, trial)
            for name in [name for name in WAYS if not stage.only or name in stage.only]:
                yield from _die(stage, trial, watchers, name)


def _die(stage: Stage, trial: Trial, watchers: "_Watchers", name: str) -> Iterator[Record]:
    way = WAYS[name]
    well = watchers.all_well()
    made = [trial.clients.issue(engine, TTL_S) for engine in stage.world.engines]
    held = [each for each in made if each is not None]
    way.begin(trial)
    began = time.monotonic()
    try:
        told_s = watchers.told_s(began, both=way.seen_from_afar)
        logins = _logins(trial, held) if way.tried else {}
    finally:
        way.end(trial)
    found = [*_judged(stage, name, told_s), *_survival(logins)]
    settled = trial.settle()
    yield Record(
        {"way": name},
        [*(Violation(PLAN, text) for text in found), *settled.violations],
        reached=well and len(held) == len(made),
    )
    figures = {"way": name, "told_s": told_s, "logins a minute after the end": logins}
    yield Record({"way": name}, figures=figures)


def _judged(stage: Stage, name: str, told_s: dict[str, float]) -> Iterator[str]:
    """What would come later than within the bar, had it been left to the timer."""
    for who, seconds in told_s.items():
        # Counted from the first end that is not kept, as if the default had been waited for.
        sooner_s = DEFAULT_OVERDUE_S - OVERDUE_S[stage.size] - TTL_S if name == "lying" else 0
        if seconds + sooner_s + TIMER_S > TOLD_S:
            yield f"a daemon that is {name} is told by {who} after {seconds:.0f} s, by a timer"


def _logins(trial: Trial, held: list[Held]) -> dict[str, bool]:
    """Where a password still opens its account, a minute after the last of the leases ended."""
    end_ms = max(each.latest_ms for each in held)
    time.sleep(max(0.0, (end_ms - trial.clock.boot_ms()) / 1000 + GRACE_S))
    return {
        each.engine: trial.world.targets[each.engine].opens(each.account, each.password)
        for each in held
    }


def _survival(logins: dict[str, bool]) -> Iterator[str]:
    for engine, opens in logins.items():
        if opens and engine in REFUSES:
            yield f"{engine} lets an account in a minute after its end"
        if not opens and engine not in REFUSES:
            yield f"{engine} refuses the login, and docs/verify.md says that accounts live on"


class _Watchers:
    """`leasehold-verify` beside the daemon, and on another host with nothing but the broker."""

    def __init__(self, stage: Stage, trial: Trial) -> None:
        state = trial.daemon.state
        name = ledger.read(state / "leases.db", Keys(state / "key"), deep=False).deployment
        broker = ("--mqtt", trial.world.broker.url, "--deployment", name)
        beside = ("--socket", trial.daemon.socket, "--state-dir", state)
        overdue_s = OVERDUE_S[stage.size]
        overdue = ("--overdue-s", overdue_s) if overdue_s != DEFAULT_OVERDUE_S else ()
        self._asked: dict[str, tuple[object, ...]] = {
            "leasehold-verify": (*beside, *overdue, *broker),
            "leasehold-verify elsewhere": broker,
        }

    def all_well(self) -> bool:
        """Whether both come to see nothing wrong."""
        until = time.monotonic() + WELL_S
        while any(_alarms(asked) for asked in self._asked.values()):
            if time.monotonic() > until:
                return False
        return True

    def told_s(self, began: float, *, both: bool) -> dict[str, float]:
        """Seconds until each has raised its first alarm, or the bar has passed."""
        asked = list(self._asked.items())[: 2 if both else 1]

        def first(asked: tuple[object, ...]) -> float:
            while not _alarms(asked) and time.monotonic() - began < TOLD_S:
                time.sleep(0.5)
            return round(time.monotonic() - began, 1)

        with ThreadPoolExecutor() as pool:
            looks = {name: pool.submit(first, options) for name, options in asked}
            return {name: look.result() for name, look in looks.items()}


def _alarms(asked: tuple[object | Path, ...]) -> bool:
    command = [sys.executable, "-m", "leasehold_verify", *map(str, asked)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, timeout=60).returncode == 2
