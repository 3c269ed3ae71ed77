"""The policy is written ten times a second, mostly broken, and read again each time (T30 d).

Broken are the files of the corpus, a file that is only half written, and files that others could
write. Whatever stands there, the last good policy is served: who asks is given credentials, leases
end in time, and each good policy takes its place. A start with a broken file serves the last good
one as well.
"""

import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.facts import Violation
from chaos.stage import Record, Size, Stage
from chaos.trial import Trial
from component.policy.corpus import corpus

PLAN = "T30 d"
STORM_S = {Size.SMALL: 4, Size.CI: 25, Size.LONG: 600}
WRITES_PER_S = 10
RATE = 20.0
GOOD = 0.15
"""The share of writes that are a good policy."""
TTL_S = 3
TAKEN_S = 15.0
"""A good policy that stands still is served within this time, however much was asked before."""
CORPUS = [each.data for each in corpus()]
_MOST = "lease_limits:\n  pg: {max_leases: %d}\n"


@dataclass
class _Count:
    good: int = 0
    broken: int = 0
    asked: int = 0


def run(stage: Stage) -> Iterator[Record]:
    dice = random.Random(stage.seed)
    with stage.trial() as trial:
        trial.start()
        first, found, count = _generation(trial), [], _Count()
        with trial.load(rate=RATE, seed=stage.seed):
            until = time.monotonic() + STORM_S[stage.size]
            while time.monotonic() < until:
                found += _write(trial, dice, count)
                time.sleep(1 / WRITES_PER_S)
        found += _calmed(trial, first, dice)
        settled = trial.settle(deep=True)
        yield Record(
            {"writes a second": WRITES_PER_S, "good": count.good, "broken": count.broken},
            [*found, *settled.violations],
            reached=count.asked > 0 and count.broken > count.good,
            figures={"generations": _generation(trial) - first, "asked meanwhile": count.asked},
        )
        yield _started_on_a_broken_one(trial, dice)


def _write(trial: Trial, dice: random.Random, count: _Count) -> list[Violation]:
    file = trial.daemon.policies / "policy.yaml"
    if dice.random() < GOOD:
        count.good += 1
        _replace(file, _good(trial, dice.randrange(100_000, 200_000)))
    else:
        count.broken += 1
        _break(file, trial, dice)
    _reload(trial)
    if count.broken % WRITES_PER_S:
        return []
    count.asked += 1
    return _asked(trial, "while the policy is broken")


def _asked(trial: Trial, when: str) -> list[Violation]:
    """Every engine of the served policy gives a credential."""
    return [
        Violation("policy", f"no credential of {engine} was given {when}")
        for engine in trial.world.engines
        if trial.clients.issue(engine, TTL_S) is None
    ]


def _good(trial: Trial, most: int) -> bytes:
    return (trial.world.policy() + _MOST % most).encode()


def _break(file: Path, trial: Trial, dice: random.Random) -> None:
    how = dice.random()
    if how < 0.7:
        _replace(file, dice.choice(CORPUS))
    elif how < 0.8:
        _replace(file, b"a: [" + _good(trial, 100_000)[: dice.randrange(400)])
    elif how < 0.9:
        file.write_bytes(dice.choice(CORPUS))
    else:
        _replace(file, _good(trial, dice.randrange(100_000)), mode=0o666)


def _replace(file: Path, data: bytes, mode: int = 0o600) -> None:
    fresh = file.with_name(".policy.new")
    fresh.unlink(missing_ok=True)
    fresh.write_bytes(data)
    fresh.chmod(mode)
    fresh.rename(file)


def _reload(trial: Trial) -> None:
    assert trial.daemon.process is not None
    trial.daemon.process.send_signal(signal.SIGHUP)


def _calmed(trial: Trial, first: int, dice: random.Random) -> list[Violation]:
    """What stands in the end is judged: broken changes nothing, good is served."""
    file, found = trial.daemon.policies / "policy.yaml", []
    _replace(file, dice.choice(CORPUS))
    _reload(trial)
    if not _within(lambda: any("newest policy" in why for why in _status(trial)["degraded"])):
        found.append(Violation("policy", "a broken policy is not told as a trouble"))
    before = _generation(trial)
    found += _asked(trial, "after the storm, on a broken policy")
    _replace(file, _good(trial, 150_001))
    _reload(trial)
    if not _within(lambda: _generation(trial) > before):
        found.append(Violation("policy", f"generation {before} is served, and not the good policy"))
    return found


def _started_on_a_broken_one(trial: Trial, dice: random.Random) -> Record:
    served = _generation(trial)
    _replace(trial.daemon.policies / "policy.yaml", dice.choice(CORPUS))
    trial.kill()
    found = _asked(trial, "after a start on a broken policy")
    if _generation(trial) != served:
        found.append(Violation("policy", f"generation {served} was served, and now another"))
    time.sleep(TTL_S)
    return Record({"start": "on a broken policy"}, [*found, *trial.settle().violations])


def _generation(trial: Trial) -> int:
    return int(_status(trial)["generation"])


def _status(trial: Trial) -> dict[str, Any]:
    return trial.daemon.request("GET", "/v1/leasehold/status").data


def _within(claim: Callable[[], bool]) -> bool:
    until = time.monotonic() + TAKEN_S
    while not claim():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
