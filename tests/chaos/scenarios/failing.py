"""The disk fails: errors of the ledger and of the audit, a filesystem that turns read-only (T8).

Read-only is an ext4 of its own that meets an error, as a kernel does it; afterwards the daemon is
killed, the filesystem is mounted anew, and it starts again. Last, the key file cannot be read at a
start, which ends in one line. The mounts need root; elsewhere only errors are tried.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from chaos.facts import Violation
from chaos.scenarios import power
from chaos.stage import Record, Stage
from chaos.trial import Trial
from chaos.unwritable import command, endure, mounted

PLAN = "T8"
ERRORS = {
    "errors of the ledger": ("store.commit",),
    "errors of the audit": ("audit.written",),
    "errors of both": ("store.changed", "store.commit", "audit.append"),
}
SAID_S, LONG_S = 10.0, 600


def run(stage: Stage) -> Iterator[Record]:
    for _ in range(stage.times(small=1, ci=1, long=10)):
        for way, points in ERRORS.items():
            with stage.trial() as trial:
                trial.start()
                yield endure(trial, PLAN, stage.size, way, partial(_armed, trial, points))
    if (why := power.impossible(stage.folder)) is not None:
        yield Record({"skipped": why}, reached=False)
        return
    for _ in range(stage.times(small=1, ci=1, long=10)):
        with stage.trial() as trial, power.disk(trial.daemon.state, stage.folder) as image:
            yield _read_only(stage, trial, image)
        with stage.trial() as trial:
            yield _unreadable_key(trial)


@contextlib.contextmanager
def _armed(trial: Trial, points: Sequence[str]) -> Iterator[None]:
    """Every write meets an input/output error, until the block is left."""
    trial.daemon.arm({point: {"action": "raise"} for point in points})
    yield
    trial.daemon.arm({})


def _read_only(stage: Stage, trial: Trial, image: Path) -> Record:
    state = trial.daemon.state
    command("mount", "-o", "remount,errors=remount-ro", str(state))

    @contextlib.contextmanager
    def fault() -> Iterator[None]:
        _device_of(state).joinpath("trigger_fs_error").write_text("planted by a test")
        yield
        trial.kill(then_start=False)
        command("umount", str(state))
        command("mount", "-o", power.MOUNT, str(image), str(state))
        trial.start()

    trial.start()
    return endure(trial, PLAN, stage.size, "read-only", fault)


def _device_of(mounted_at: Path) -> Path:
    """Where the kernel tells of the ext4 that is mounted there."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    [device] = [source for source, place, *_ in mounts if place == str(mounted_at)]
    return Path("/sys/fs/ext4") / Path(device).name


def _unreadable_key(trial: Trial) -> Record:
    """Memory that nobody has mapped gives an input/output error to whoever reads it."""
    trial.start()
    held = trial.clients.issue(trial.world.engines[0], LONG_S)
    trial.kill(then_start=False)
    key, said = trial.daemon.state / "key", len(trial.daemon.log.read_text())
    with mounted(key, "--bind", f"/proc/{os.getpid()}/mem"):
        trial.daemon.run(wait=False)
        code = trial.daemon.wait_dead(SAID_S)
    words = trial.daemon.log.read_text()[said:].strip()
    found = []
    if code == 0 or str(key) not in words or len(words.splitlines()) != 1:
        found.append(Violation(PLAN, f"an unreadable key ended it with {code}: {words[-200:]}"))
    trial.start()
    settled = trial.settle()
    what = {"way": "errors of the key", "said": words.rpartition("/")[2]}
    return Record(what, [*found, *settled.violations], reached=held is not None)
