"""The power goes: only what was synced survives in the state directory, the targets live on (T6).

The state directory is an ext4 of its own on a loop device, which writes back nothing by itself
(`commit=600`). A cut is SIGKILL, a copy of the file behind the loop device as it is at that moment,
and a start from that copy: what ext4 had not handed to its device is gone. It needs root and loop
devices; elsewhere it says so and proves nothing.
"""

import contextlib
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from chaos.stage import Record, Stage, totals
from chaos.trial import Trial

PLAN = "T6"
RATE = 30.0
LIFE_S = (0.2, 2.0)
MEET_S = 3.0
AT = ("store.changed", "store.commit", "store.committed", "audit.append", "audit.written")
"""Half way through a write, where most can be lost; or at any instant."""
IMAGE_MB = 384
MOUNT = "loop,commit=600,noatime,data=ordered"


def run(stage: Stage) -> Iterator[Record]:
    if (why := impossible(stage.folder)) is not None:
        yield Record({"skipped": why}, reached=False)
        return
    dice = random.Random(stage.seed)
    cuts = stage.times(small=3, ci=20, long=200)
    with stage.trial() as trial, disk(trial.daemon.state, stage.folder) as image:
        trial.start()
        for number in range(cuts):
            yield _cut(trial, image, dice, number)
        yield Record({"totals": True}, figures={**totals(trial), "cuts": cuts})


def _cut(trial: Trial, image: Path, dice: random.Random, number: int) -> Record:
    seed, life_s = dice.randrange(2**31), dice.uniform(*LIFE_S)
    point = dice.choice(["", *AT])
    with trial.load(rate=RATE, seed=seed):
        time.sleep(life_s)
        if point:
            trial.daemon.arm({point: {"action": "kill", "after": dice.randrange(5)}})
            with contextlib.suppress(subprocess.TimeoutExpired):
                trial.daemon.wait_dead(MEET_S)
        trial.daemon.kill()
        cut(trial.daemon.state, image)
        trial.was_killed()
    trial.start()
    settled = trial.settle(deep=number % 10 == 0)
    return Record.of(settled, number=number, point=point, life_s=round(life_s, 2), seed=seed)


def cut(mounted: Path, image: Path) -> None:
    """Lose all that was not handed to the device, and go on with the rest."""
    rest = image.with_suffix(".rest")
    _run("cp", "--sparse=always", str(image), str(rest))
    _run("umount", str(mounted))
    rest.rename(image)
    _run("mount", "-o", MOUNT, str(image), str(mounted))


@contextlib.contextmanager
def disk(mounted: Path, folder: Path) -> Iterator[Path]:
    """A new ext4 at `mounted`; yields the file that is its device."""
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(IMAGE_MB << 20)
    _run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image))
    _run("mount", "-o", MOUNT, str(image), str(mounted))
    try:
        shutil.rmtree(mounted / "lost+found")
        mounted.chmod(0o700)
        yield image
    finally:
        # The daemon may have ended a moment ago; a lazy unmount takes its time instead of failing.
        _run("umount", "--lazy", str(mounted))
        image.unlink()


def impossible(folder: Path) -> str | None:
    """Why no file can be mounted here; None when one can."""
    if os.geteuid() != 0:
        return "loop devices need root"
    for program in ("mkfs.ext4", "mount", "losetup"):
        if shutil.which(program, path=_path()) is None:
            return f"{program} is not installed"
    place = folder / "probe"
    place.mkdir()
    try:
        with disk(place, folder):
            return None
    except (subprocess.CalledProcessError, OSError):
        return "this machine lets nobody mount a loop device"
    finally:
        place.rmdir()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, env={"PATH": _path()})


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
