"""Restart with many leases: from the start of the process to its first answer, and its memory.

It is compared with a daemon that has none, started in turn. The first answer is to a look-up of one
of the leases; the empty daemon answers for its health. Most of the time goes into starting Python.
"""

import time

from bench.process import pid_of, resident_mb
from bench.report import Budget, Figure
from bench.scale import Scale
from bench.world import World
from servers.daemon import Daemon

POLL_S = 0.002
DEADLINE_S = 60.0
SETTLE_S = 1.5
"""The engines are tried right after the start; memory is looked at when that is over, and before
the first look for drift."""
HEALTH = ("GET", "/v1/sys/health", None)


def measure(world: World, scale: Scale) -> list[Figure]:
    figures = []
    for count in scale.stores:
        first = Figure(f"restart with {count:,} leases", "s", count, Budget("ours", most=1))
        memory = Figure(f"memory with {count:,} leases", "MB", count, Budget("ratio", most=1.1))
        filled, written = world.filled(count)
        empty, _ = world.filled(0)
        look = ("PUT", "/v1/sys/leases/lookup", {"lease_id": written.ids[-1]})
        for _ in range(scale.starts):
            ours, bare = _start(filled, look), _start(empty, HEALTH)
            first.add(ours[0], bare[0])
            memory.add(ours[1], bare[1])
        figures += [first, memory]
    return figures


def _start(daemon: Daemon, request: tuple[str, str, object]) -> tuple[float, float]:
    """Seconds to the first answer, and megabytes afterwards."""
    began = time.monotonic()
    daemon.start(wait=False)
    while not _answers(daemon, request):
        if time.monotonic() - began > DEADLINE_S:
            raise RuntimeError(f"no answer: {daemon.log.read_text()[-2000:]}")
        time.sleep(POLL_S)
    took_s = time.monotonic() - began
    time.sleep(SETTLE_S)
    megabytes = resident_mb(pid_of(daemon))
    daemon.stop()
    return took_s, megabytes


def _answers(daemon: Daemon, request: tuple[str, str, object]) -> bool:
    try:
        return daemon.request(*request).status == 200
    except OSError:
        return False
