"""What a lease can be bound to besides a token: the caller's process, its unit, its connection.

A holder is a text that still names the same thing when the daemon has started again: a pid with the
time at which its process started, or a cgroup with its inode, and the boot. Those two are watched
by a descriptor, so that nothing is asked again and again. A connection tells its end by itself, and
none outlives the daemon.
"""

import os
import select
from dataclasses import dataclass
from pathlib import Path

from leasehold.bundle import Bind
from leasehold.identity import process
from leasehold.identity.process import Untold
from leasehold.model import Caller

PROCESS, UNIT, CONNECTION = "process:", "unit:", "connection:"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MOUNTS = Path("/proc/self/mountinfo")
_STARTED = 19
"""Where the start time stands in `/proc/<pid>/stat` behind the name; it is field 22 (proc(5))."""


class HolderGone(Exception):
    """What the holder names is not there any more."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A descriptor that is ready, in the sense of `events` (epoll(7)), when the holder may end."""

    descriptor: int
    events: int

    def has_ended(self) -> bool:
        """Whether the process has ended, or nothing is left in the unit."""
        if self.events == select.EPOLLIN:
            return not process.is_alive(self.descriptor)
        try:
            return b"populated 0" in os.pread(self.descriptor, 4096, 0)
        except OSError:  # the cgroup was removed
            return True


def holder_of(bind: Bind, caller: Caller) -> str:
    """What to bind the caller's lease to. Raises Untold when that cannot be known."""
    if bind is Bind.CONNECTION:
        return _connection(caller)
    if caller.token or caller.socket is None:
        raise Untold("it must be asked for on the Unix socket, without a token")
    with process.pidfd_of(caller.socket) as pidfd:
        pid = process.pid_of(pidfd)
        found = _process(pid) if bind is Bind.PROCESS else _unit(process.cgroup_facts(pid))
        if not process.is_alive(pidfd):
            raise Untold("its process has ended")
    return found


def watch(holder: str) -> Watch:
    """Begin to watch. Raises HolderGone, and OSError when there are too many descriptors.

    A connection that is only known by its name was another daemon's, and is gone.
    """
    if holder.startswith(CONNECTION):
        raise HolderGone(holder)
    try:
        if holder.startswith(PROCESS):
            return _watch_process(holder)
        return _watch_unit(holder)
    except (FileNotFoundError, ProcessLookupError, Untold) as gone:
        raise HolderGone(holder) from gone


def _connection(caller: Caller) -> str:
    if caller.token or caller.line is None:
        raise Untold("it must be asked for without a token")
    if not caller.line.stays:
        raise Untold("the request must leave it open: HTTP/1.1, without Connection: close")
    return f"{CONNECTION}{caller.line.name}"


def _process(pid: int) -> str:
    return f"{PROCESS}{pid}:{_started(pid)}:{_boot()}"


def _started(pid: int) -> str:
    """When a process started, in clock ticks. Its name may hold blanks and brackets."""
    text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    return text[text.rindex(")") + 2 :].split()[_STARTED]


def _boot() -> str:
    return _BOOT_ID.read_text().strip()


def _unit(facts: dict[str, str]) -> str:
    wanted = facts.get("user_unit") or facts.get("unit")
    if wanted is None:
        raise Untold("its process is in no systemd unit")
    parts = facts["cgroup"].split("/")
    names = [part.removeprefix("_") for part in parts]
    path = "/".join(parts[: names.index(wanted) + 1])
    return f"{UNIT}{path}:{_place(path).stat().st_ino}:{_boot()}"


def _place(path: str) -> Path:
    """Where a cgroup of the unified hierarchy is mounted. Raises Untold."""
    # Mounts of others may be named in any bytes.
    for line in _MOUNTS.read_text(errors="surrogateescape").split("\n"):
        fields, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            return Path(fields.split()[4] + path)
    raise Untold("cgroup v2 is not mounted where the daemon runs")


def _watch_process(holder: str) -> Watch:
    pid, started, boot = holder.removeprefix(PROCESS).split(":")
    descriptor = os.pidfd_open(int(pid))
    try:
        if (started, boot) != (_started(int(pid)), _boot()):
            raise HolderGone(holder)  # another one has its pid
    except BaseException:
        os.close(descriptor)
        raise
    return Watch(descriptor, select.EPOLLIN)


def _watch_unit(holder: str) -> Watch:
    path, inode, boot = holder.removeprefix(UNIT).rsplit(":", 2)
    place = _place(path)
    descriptor = os.open(place / "cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if (inode, boot) != (str(place.stat().st_ino), _boot()):
            raise HolderGone(holder)  # the unit was started again
    except BaseException:
        os.close(descriptor)
        raise
    return Watch(descriptor, select.EPOLLPRI)
