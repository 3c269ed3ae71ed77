"""Beginning a new file of the audit when the current one is full, and removing those of old.

At no instant is there no current file, and none is there in part: the new one is written whole
under another name, the full one gets a second name, and then the new one takes the first. A crash
leaves a second name or an unused file, which the next start takes away (rule AU5).
"""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from leasehold.events.audit_files import first_line, full_files, last_line, opened
from leasehold.events.audit_line import Line, fields_of, time_of
from leasehold.failpoints import hit
from leasehold.settings import Settings

logger = logging.getLogger(__name__)

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """When a file is full, and for how long full ones are kept; None: never, and for ever."""

    full_bytes: int | None = None
    full_after: timedelta | None = None
    keep: timedelta | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Rotation":
        """As the settings have it."""
        return cls(
            full_bytes=round(settings.audit_file_mb * MEGABYTE),
            full_after=_days(settings.audit_file_days),
            keep=_days(settings.audit_keep_days),
        )

    def is_full(self, size: int, since: datetime | None, now: datetime) -> bool:
        """Whether a file of `size` bytes whose first line is of `since` is full now."""
        if self.full_bytes is not None and size >= self.full_bytes:
            return True
        return self.full_after is not None and since is not None and now - since >= self.full_after


NEVER = Rotation()


def begin_anew(path: Path, full: Path, first_line: str) -> int:
    """Have a new file at `path` with one line in it; what was there is now called `full`.

    Returns the new file's descriptor; the directory is still to be synced. Raises OSError, and
    then all is as it was.
    """
    fresh = _fresh(path)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with ExitStack() as undo:
        handle = os.open(fresh, flags, 0o600)
        undo.callback(fresh.unlink)
        undo.callback(os.close, handle)
        write_all(handle, first_line.encode())
        os.fdatasync(handle)
        hit("audit.rotate.written")
        os.link(path, full)
        undo.callback(full.unlink)
        hit("audit.rotate.linked")
        fresh.rename(path)
        undo.pop_all()
    return handle


def clear_up(path: Path) -> None:
    """Take away what a rotation left behind that a crash cut off. Raises OSError."""
    _fresh(path).unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        info = path.lstat()
        for full in full_files(path):
            if os.path.samestat(info, full.lstat()):
                full.unlink()


def outlived(
    path: Path, key: bytes, keep: timedelta, now: datetime
) -> Iterator[tuple[Path, Line, Line]]:
    """Full files whose last line is older than `keep`, each with its first and last fields.

    The oldest first. One that does not verify is for a person to look at: it is kept, and so is
    all behind it. Raises OSError.
    """
    for full in full_files(path):
        with opened(full) as file:
            first, last = fields_of(first_line(file), key), fields_of(last_line(file)[0], key)
        if first is None or last is None:
            logger.error("%s: does not verify, so it is kept; run leasehold audit verify", full)
            return
        told = time_of(last)
        if not told or now - datetime.fromisoformat(told) < keep:
            return
        yield full, first, last


def write_all(handle: int, data: bytes) -> None:
    """Write every byte. Raises OSError."""
    while data:
        data = data[os.write(handle, data) :]


def _fresh(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _days(count: float | None) -> timedelta | None:
    return None if count is None else timedelta(days=count)
