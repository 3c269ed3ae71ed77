"""A daemon that nobody asks anything, with leases and without; and `leasehold --help`."""

import os
import subprocess
import sys
import time
from pathlib import Path

from bench.looking import LIVE
from bench.report import Budget, Figure
from bench.restarting import resident_mb
from bench.scale import Scale
from bench.world import World

SETTLE_S = 12.0
"""Until the first look for drift, five seconds after a start, is over."""
HELPS = 10


def measure(world: World, scale: Scale) -> list[Figure]:
    figures = []
    for live in (0, LIVE):
        memory = Figure(f"idle, {live:,} leases: memory", "MB", live, Budget("ours", most=80))
        busy = Figure(f"idle, {live:,} leases: processor", "%", live)
        stopped, written = world.filled(live)
        world.make_accounts(list(written.accounts))
        with world.serving(stopped.folder.name) as (daemon, _):
            assert daemon.process is not None
            time.sleep(SETTLE_S)
            before = _processor_s(daemon.process.pid)
            time.sleep(scale.idle_s)
            busy.add((_processor_s(daemon.process.pid) - before) / scale.idle_s * 100)
            memory.add(resident_mb(daemon.process.pid))
        world.clear()
        figures += [memory, busy]
    return figures


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
