"""The Unix socket to listen on: where it may stand and who may connect (rule I1)."""

import contextlib
import fcntl
import grp
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from leasehold.errors import ConfigError
from leasehold.places import check_ancestors, check_directory

BACKLOG = 512
PATH_BYTES = 107
"""What fits into sun_path, unix(7)."""
_LISTEN_FD = 3
"""The first socket that systemd passes (sd_listen_fds(3))."""


@dataclass(frozen=True, slots=True)
class SocketSpec:
    """Path, mode and group of the socket; without a group it has the daemon's own."""

    path: Path
    mode: int
    group: str | None = None


class ListeningSocket:
    """A bound socket at a path that nobody else serves; `close` takes the path away again."""

    def __init__(self, spec: SocketSpec) -> None:
        """Bind. Raises ConfigError with what to mend."""
        self._path: Path | None = None
        self._lock = -1
        if passed := _passed_by_systemd():
            self.socket = passed
            return
        _prepare_directory(spec)
        self._lock = _claim(spec.path)
        self.socket = _bind(spec)
        self._path = spec.path

    def close(self) -> None:
        """Stop listening; quiet when that was done."""
        self.socket.close()
        if self._path is not None:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
            os.close(self._lock)
            self._path = None


def hand_on() -> None:
    """Let the program that this process becomes have the socket that systemd passed, if it did."""
    if _is_passed():
        os.set_inheritable(_LISTEN_FD, True)


def _is_passed() -> bool:
    return os.environ.get("LISTEN_PID") == str(os.getpid())


def _passed_by_systemd() -> socket.socket | None:
    if not _is_passed():
        return None
    if os.environ.get("LISTEN_FDS") != "1":
        raise ConfigError("systemd passed several sockets; allowed is one ListenStream=")
    os.set_inheritable(_LISTEN_FD, False)
    passed = socket.socket(fileno=os.dup(_LISTEN_FD))  # that one stays, for who listens after us
    listens = passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if passed.family != socket.AF_UNIX or passed.type != socket.SOCK_STREAM or not listens:
        raise ConfigError("systemd passed no Unix stream socket; allowed is ListenStream=/a/path")
    passed.setblocking(False)
    return passed


def _prepare_directory(spec: SocketSpec) -> None:
    """Have the directory, and refuse one in which somebody else could replace the socket."""
    folder = spec.path.parent
    try:
        if not folder.exists():
            folder.mkdir(mode=0o700)
            if spec.group is not None:
                os.chown(folder, -1, _group_id(spec.group))
            folder.chmod(0o750)
        check_directory(folder, "socket")
        check_ancestors(folder, "socket")
    except OSError as error:
        raise ConfigError(f"{folder}: cannot hold the socket ({error.strerror})") from error


def _group_id(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigError(f"socket_group: this host has no group {name}") from None


def _claim(path: Path) -> int:
    """Lock a file beside the socket, since binding would silently replace another's socket."""
    lock = path.with_name(path.name + ".lock")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"{lock}: cannot be made ({error.strerror})") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise ConfigError(
            f"{path}: another leasehold serves this socket; stop it, or give this one another path"
        ) from None
    return handle


def _bind(spec: SocketSpec) -> socket.socket:
    length = len(os.fsencode(spec.path))
    if length > PATH_BYTES:
        raise ConfigError(f"{spec.path}: has {length} bytes; allowed for a socket are {PATH_BYTES}")
    group = -1 if spec.group is None else _group_id(spec.group)
    try:
        if spec.path.is_socket():
            spec.path.unlink()  # left by a daemon that was killed; we hold its lock
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        previous = os.umask(0o177)
        try:
            bound.bind(str(spec.path))
        finally:
            os.umask(previous)
        os.chown(spec.path, -1, group, follow_symlinks=False)
        spec.path.chmod(spec.mode)
        bound.listen(BACKLOG)
    except OSError as error:
        raise ConfigError(f"{spec.path}: cannot be bound ({error.strerror})") from error
    return bound
