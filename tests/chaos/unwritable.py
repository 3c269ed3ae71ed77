"""Leases end while the state directory cannot be written: what must hold then, and afterwards.

Accounts go on time all the same, what is asked for is refused or kept, the daemon lives, and soon
after the fault is over the records say what became of everything (T7, T8).
"""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.report import percentile
from chaos.facts import Violation
from chaos.journal import Held
from chaos.pace import Pace
from chaos.stage import Record, Size
from chaos.trial import Trial

LEASES = {Size.SMALL: 20, Size.CI: 50, Size.LONG: 200}
TTL_S, PER_LEASE_S = 6, 0.04
"""They are made before the fault, and end within it."""
GONE_S = 10.0
RECORDED_S = 30.0
GIVE_UP_S = 60.0
RATE = 5.0
POLL_S = 0.1


def endure(
    trial: Trial,
    plan: str,
    size: Size,
    way: str,
    fault: Callable[[], AbstractContextManager[None]],
) -> Record:
    """Have leases end within `fault`; the record's time is from its end to a clean census.

    The daemon must live until then; to end a fault it may have to be started anew.
    """
    count, engines = LEASES[size], trial.world.engines
    ttl_s = TTL_S + int(count * PER_LEASE_S)
    held = [trial.clients.issue(engines[n % len(engines)], ttl_s) for n in range(count)]
    leases = [each for each in held if each is not None]
    early = trial.clock.boot_ms() < min((each.earliest_ms for each in leases), default=0)
    failed = _failed_writes(trial)
    with fault(), Pace(lambda n: trial.clients.issue(engines[n % len(engines)], 60), RATE) as asked:
        late_s = _until_gone(trial, leases)
        lived = trial.daemon.alive
    failed = _failed_writes(trial) - failed
    over = time.monotonic()
    found = [*_judged(plan, late_s, len(leases))]
    if not lived:
        found.append(Violation(plan, "the daemon ended"))
        return Record({"way": way, "leases": len(leases)}, found)
    settled = trial.settle(RECORDED_S)
    what = {"way": way, "leases": len(leases), "asked meanwhile": len(asked.seconds)}
    what |= {"failed writes": failed, "p99 late_s": _p99(late_s)}
    recorded_s = round(time.monotonic() - over, 2)
    reached = early and len(leases) == count and failed > 0
    return Record(what, [*found, *settled.violations], recorded_s, reached)


def _failed_writes(trial: Trial) -> int:
    return trial.daemon.log.read_text().count("the store could not write")


def _until_gone(trial: Trial, leases: list[Held]) -> list[float]:
    """How long after its promised end each account was seen gone."""
    waiting = {each.account: each for each in leases}
    late_s: list[float] = []
    last_ms = max(each.latest_ms for each in leases) + GIVE_UP_S * 1000
    while waiting and trial.clock.boot_ms() < last_ms:
        there = {n for target in trial.world.targets.values() for n in target.accounts()}
        for account in waiting.keys() - there:
            late_s.append((trial.clock.boot_ms() - waiting.pop(account).latest_ms) / 1000)
        time.sleep(POLL_S)
    return late_s


def _judged(plan: str, late_s: list[float], count: int) -> Iterator[Violation]:
    if len(late_s) < count:
        left = count - len(late_s)
        yield Violation(plan, f"{left} accounts stood {GIVE_UP_S:.0f} s after their leases' end")
    elif _p99(late_s) > GONE_S:
        yield Violation(plan, f"accounts went {_p99(late_s):.1f} s after their leases' end (p99)")


def _p99(late_s: list[float]) -> float:
    return round(percentile(late_s, 0.99), 1) if late_s else 0.0


@contextmanager
def mounted(place: Path, *options: str) -> Iterator[None]:
    """Something mounted at `place`. Raises CalledProcessError where that is not allowed."""
    command("mount", *options, str(place))
    try:
        yield
    finally:
        # The daemon may have ended a moment ago; a lazy unmount takes its time instead of failing.
        command("umount", "--lazy", str(place))


def command(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def impossible(folder: Path) -> str | None:
    """Why nothing can be mounted here; None when it can."""
    place = folder / "probe"
    place.mkdir()
    try:
        with mounted(place, "-t", "tmpfs", "tmpfs"):
            return None
    except (subprocess.CalledProcessError, OSError):
        return "this machine lets nobody mount a filesystem"
    finally:
        place.rmdir()
