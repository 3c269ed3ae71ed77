"""The process behind a connection, by the kernel's word (rule I4).

Its pid comes from a pidfd, which the kernel gives for the process that connected (SO_PEERPIDFD,
Linux 6.5). The pidfd is held while `/proc` is read, and the process must be there afterwards, or
what was read may be of another one. Its arguments and environment, which it can write itself, are
never looked at.
"""

import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from leasehold.identity.cgroup import facts_in, path_in
from leasehold.model import PeerSocket

SO_PEERPIDFD = 77
"""asm-generic/socket.h; Python has no name for it."""
HOST, ANOTHER = "host", "another"
_PROC = Path("/proc")
_OURS = _PROC / "self"
_INIT = _PROC / "1"
_NOT_ALLOWED = "the daemon may not see it; it needs CAP_SYS_PTRACE"


class Untold(Exception):
    """Nothing can be told of the process; the text says why."""


@dataclass(frozen=True, slots=True)
class Executable:
    """What a process runs: an open descriptor of it (O_PATH), and its path if there is one."""

    descriptor: int
    path: str


@contextmanager
def pidfd_of(sock: PeerSocket) -> Iterator[int]:
    """A pidfd of the process that connected. Raises Untold."""
    try:
        found = sock.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
    except OSError as error:
        raise Untold(
            "the kernel gives no pidfd of its process (Linux 6.5 does):"
            f" {error.strerror or 'the connection is closed'}"
        ) from error
    try:
        yield found
    finally:
        os.close(found)


def pid_of(pidfd: int) -> int:
    """The pid as the daemon sees it. Raises Untold when the process is gone, or not seen here."""
    text = (_OURS / "fdinfo" / str(pidfd)).read_text()
    pid = next((int(line[4:]) for line in text.splitlines() if line.startswith("Pid:")), 0)
    if pid < 1:
        raise Untold("its process is gone" if pid else "its process is not seen by the daemon")
    return pid


def is_alive(pidfd: int) -> bool:
    """Whether the process still runs; its pid is nobody else's as long as it does."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return not poll.poll(0)


def cgroup_facts(pid: int) -> dict[str, str]:
    """What the cgroup says of the process; empty without cgroup v2. Raises Untold."""
    try:
        return facts_in(path_in((_PROC / str(pid) / "cgroup").read_text()))
    except OSError as error:
        raise Untold(f"its cgroup cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:  # whoever a cgroup was delegated to names what is below it
        raise Untold("its cgroup has a name that is not UTF-8") from error


def namespace_of(pid: int, kind: str) -> str:
    """`host` when the process is in the daemon's namespace of a kind or in that of process 1.

    A daemon under systemd has a mount namespace of its own, so process 1 stands for the host. Only
    root can change what its paths mean. Raises Untold.
    """
    theirs = _namespace(_PROC / str(pid), kind)
    if not theirs:
        raise Untold(_NOT_ALLOWED)
    return HOST if theirs in (_namespace(_OURS, kind), _namespace(_INIT, kind)) else ANOTHER


def _namespace(process: Path, kind: str) -> str:
    try:
        return os.readlink(process / "ns" / kind)
    except OSError:
        return ""


@contextmanager
def executable_of(pid: int) -> Iterator[Executable]:
    """The file that the process runs. Raises Untold."""
    try:
        descriptor = os.open(_PROC / str(pid) / "exe", os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise Untold(_NOT_ALLOWED) from error
    try:
        path = os.readlink(_OURS / "fd" / str(descriptor))
        names = path.startswith("/") and not path.endswith(" (deleted)")
        yield Executable(descriptor, path if names else "")
    finally:
        os.close(descriptor)
