"""The disk is full: a neighbour takes all of it, and whatever is given back (T7).

Ledger and audit together, and each alone; and each single write, one after the other, meets a full
disk. A filesystem of 120 MiB stands for the plan's 8, which are below what leasehold keeps free:
it would issue nothing there. It needs root to mount; elsewhere only single writes are tried.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from chaos.facts import Violation
from chaos.stage import Record, Stage
from chaos.trial import Trial
from chaos.unwritable import endure, impossible, mounted

PLAN = "T7"
DISK = ("-t", "tmpfs", "-o", f"size={120 << 20},mode=0700", "tmpfs")
AUDIT = "audit.jsonl"
WAYS = ("ledger and audit", "ledger", "audit")
POINTS = ("store.changed", "store.commit", "audit.append", "audit.written")
MOST_WRITES = 40
STEP_BYTES = 8 << 20
AGAIN_S = 0.05


def run(stage: Stage) -> Iterator[Record]:
    with stage.trial() as trial:
        trial.start()
        for engine in trial.world.engines[: stage.times(small=1, ci=1, long=3)]:
            for point in POINTS:
                yield _each_write(trial, engine, point)
    if (why := impossible(stage.folder)) is not None:
        yield Record({"skipped": why}, reached=False)
        return
    for _ in range(stage.times(small=1, ci=1, long=5)):
        for way in [way for way in WAYS if not stage.only or way in stage.only]:
            yield _filled(stage, way)


def _filled(stage: Stage, way: str) -> Record:
    small = stage.folder / "small"
    small.mkdir(exist_ok=True)
    with stage.trial() as trial, contextlib.ExitStack() as stack:
        state = trial.daemon.state
        if way == "audit":
            stack.enter_context(mounted(small, *DISK))
            stack.enter_context(_audit_at(state, small / AUDIT))
        else:
            stack.enter_context(mounted(state, *DISK))
        if way == "ledger":
            stack.enter_context(_audit_at(state, trial.daemon.folder / AUDIT))
        trial.start()
        full = small if way == "audit" else state
        return endure(trial, PLAN, stage.size, way, lambda: _neighbour(full / "neighbour"))


@contextlib.contextmanager
def _audit_at(state: Path, file: Path) -> Iterator[None]:
    """The audit on another disk than the ledger."""
    for place in (state / AUDIT, file):
        place.touch(mode=0o600)
    with mounted(state / AUDIT, "--bind", str(file)):
        yield


@contextlib.contextmanager
def _neighbour(path: Path) -> Iterator[None]:
    """Takes the disk in steps, to the brim, and all that is given back, until the block is left."""
    enough = threading.Event()

    def take() -> None:
        with path.open("wb", buffering=0) as file:
            step = STEP_BYTES
            while not enough.is_set():
                try:
                    file.write(bytes(step))
                except OSError:
                    step = max(step // 2, 1)
                    if step == 1:
                        step = STEP_BYTES
                        enough.wait(AGAIN_S)

    taker = threading.Thread(target=take)
    taker.start()
    try:
        yield
    finally:
        enough.set()
        taker.join()
        path.unlink()


def _each_write(trial: Trial, engine: str, point: str) -> Record:
    """The first write of a life meets a full disk, then the second, until none is left to."""
    writes = 0
    while writes < MOST_WRITES:
        trial.daemon.arm({point: {"action": "full", "after": writes, "times": 1}})
        held = trial.clients.issue(engine, 60)
        if held is not None:
            trial.clients.renew(held, 120)
            trial.clients.revoke(held)
        if not trial.daemon.met(point):
            break
        writes += 1
        if not trial.daemon.alive:
            return Record({"point": point}, [Violation(PLAN, f"it ended at write {writes}")])
    trial.daemon.arm({})
    settled = trial.settle(deep=True)
    return Record.of(settled, point=point, engine=engine, writes=writes, reached=writes > 0)
