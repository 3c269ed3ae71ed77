"""The file: read whole, changed under a lock, replaced at once.

A reader sees the old lines or the new ones and never a part of them. What was changed is on the
disk when `change` returns, so that a power cut does not bring a removed account back.
"""

import errno
import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from leasehold.plugin import EngineError, EnginePermanent, EngineTemporary, ErrorClass

Lines = list[str]
PATIENCE_S = 5.0
"""How long another program may hold the lock."""
_PAUSE_S = 0.02
_MARK = re.compile(r"# leasehold target ([0-9a-f]{32})")


class UserFile:
    """The file at `path`. All methods block; all raise EngineError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def identify(self) -> str:
        """The mark of this file; a file that has none gets one as its first line."""
        with self._locked():
            lines = self.read()
            mark = _mark(lines)
            if not mark:
                mark = secrets.token_hex(16)
                self._replace([f"# leasehold target {mark}", *lines])
            return f"htpasswd:{mark}"

    def read(self) -> Lines:
        """The lines as they stand."""
        with _translated():
            data = self._path.read_bytes()
        # Lines of others are given back byte for byte.
        text = data.decode(errors="surrogateescape").removesuffix("\n")
        return text.split("\n") if text else []

    def change(self, target: str, edit: Callable[[Lines], Lines]) -> bool:
        """Replace the lines by what `edit` makes of them; False when this is not `target`."""
        with self._locked():
            lines = self.read()
            if f"htpasswd:{_mark(lines)}" != target:
                return False
            edited = edit(lines)
            if edited != lines:
                self._replace(edited)
            return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock, which stands beside the file since the file itself is replaced."""
        with _translated():
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(f"{self._path}.lock", flags, 0o600)
        try:
            _lock(handle)
            yield
        finally:
            os.close(handle)

    def _replace(self, lines: Lines) -> None:
        """Put a new file in the place of the old one, with its mode and its group."""
        new = self._path.with_name(f"{self._path.name}.new")
        with _translated(unknown=True):
            info = self._path.stat()
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(new, flags, 0o600), "wb") as file:
                file.write("".join(f"{line}\n" for line in lines).encode(errors="surrogateescape"))
                file.flush()
                os.fchown(file.fileno(), -1, info.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(info.st_mode))
                os.fsync(file.fileno())
            new.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _lock(handle: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise EngineTemporary("another program holds the lock of the file") from None
            time.sleep(_PAUSE_S)


def _mark(lines: Lines) -> str:
    found = _MARK.fullmatch(lines[0]) if lines else None
    return found[1] if found else ""


@contextmanager
def _translated(*, unknown: bool = False) -> Iterator[None]:
    """OSError as EngineError; with `unknown` the change may have been made all the same."""
    try:
        yield
    except OSError as error:
        raise _engine_error(error, unknown=unknown) from error


def _engine_error(error: OSError, *, unknown: bool) -> EngineError:
    if error.errno in (errno.EACCES, errno.EPERM, errno.ELOOP):
        return EnginePermanent(
            "the file or its directory may not be written; let the daemon's user write there",
            error_class=ErrorClass.DENIED,
            outcome_unknown=unknown,
        )
    if error.errno == errno.ENOENT:
        return EngineTemporary("the file is not there; make it, empty, with the mode it shall have")
    name = errno.errorcode.get(error.errno or 0, "unknown")
    return EngineTemporary(f"the file cannot be read or written ({name})", outcome_unknown=unknown)
