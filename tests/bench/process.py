"""What the kernel says of a process."""

import os
import time
from pathlib import Path

from leasehold.reconcile.drift import FIRST_S
from servers.daemon import Daemon

LOOK_S = 2.0
BUSY = 0.05
DEADLINE_S = 300.0


def pid_of(daemon: Daemon) -> int:
    """The process of a daemon that was started."""
    assert daemon.process is not None
    return daemon.process.pid


def resident_mb(pid: int) -> float:
    """Resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has ended")


def processor_s(pid: int) -> float:
    """Processor time since it was started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for_rest(pid: int) -> None:
    """Return when a daemon that was just started has looked for drift and does nothing any more."""
    time.sleep(FIRST_S + LOOK_S)
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        before = processor_s(pid)
        time.sleep(LOOK_S)
        if processor_s(pid) - before < BUSY * LOOK_S:
            return
    raise RuntimeError(f"the daemon did not come to rest within {DEADLINE_S:g} s")
