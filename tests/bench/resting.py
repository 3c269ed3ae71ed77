"""A daemon that nobody asks anything, with leases and without; and `leasehold --help`."""

import subprocess
import sys
import time
from pathlib import Path

from bench.looking import LIVE
from bench.process import pid_of, processor_s, resident_mb, wait_for_rest
from bench.report import Budget, Figure
from bench.scale import Scale
from bench.world import World

HELPS = 10


def measure(world: World, scale: Scale) -> list[Figure]:
    figures = []
    for live in (0, LIVE):
        memory = Figure(f"idle, {live:,} leases: memory", "MB", live, Budget("ours", most=80))
        busy = Figure(f"idle, {live:,} leases: processor", "%", live)
        stopped, written = world.filled(live)
        world.postgres.make_accounts(list(written.accounts))
        with world.serving(stopped.folder.name) as (daemon, _):
            pid = pid_of(daemon)
            wait_for_rest(pid)
            before = processor_s(pid)
            time.sleep(scale.idle_s)
            busy.add((processor_s(pid) - before) / scale.idle_s * 100)
            memory.add(resident_mb(pid))
        world.clear()
        figures += [memory, busy]
    return figures


def measure_help(world: World, scale: Scale) -> list[Figure]:
    """Beside a Python that does nothing."""
    figure = Figure("leasehold --help", "ms", HELPS, Budget("ours", most=150))
    program = str(Path(sys.executable).with_name("leasehold"))
    for _ in range(HELPS):
        figure.add(_wall_ms(program, "--help"), _wall_ms(sys.executable, "-c", "pass"))
    return [figure]


def _wall_ms(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1000
