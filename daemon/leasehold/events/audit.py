"""The audit: one line of JSON an event, chained by a MAC, durable before its effect is seen.

Each line holds the MAC of the line before it, so that an edit, a deletion, an insertion or a
reordering breaks the chain, and the head kept in the store shows a cut tail (rules AU1 to AU5).
The chain goes on over files: the first line of a new one names the file before.
"""

import logging
import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from leasehold import failpoints
from leasehold.errors import ConfigError
from leasehold.events.audit_files import first_line, full_name, last_line, opened
from leasehold.events.audit_line import (
    BROKEN,
    CONTINUED,
    REMOVED,
    Line,
    Written,
    chained,
    event_fields,
    fields_of,
    head_of,
    instant,
    time_of,
)
from leasehold.events.audit_rotation import (
    NEVER,
    Rotation,
    begin_anew,
    clear_up,
    outlived,
    write_all,
)
from leasehold.keys.keyfile import sync_directory
from leasehold.model import AuditHead, Event
from leasehold.places import check_private

logger = logging.getLogger(__name__)

AGAIN = timedelta(minutes=1)
"""How long to wait after a new file could not be begun."""
KNEW = "knew"
"""The detail of a note on an older store that says which line it once knew."""
_WRITING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_RESUMING = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def _nobody(lines: Sequence[Written]) -> None:
    pass


class FileAudit:
    """Appends to the file at `path`. `wall` turns lease time into UTC; `boot` names this start.

    `tell` hears of every line that is durable. `store_knew` is the number of the last line that the
    store once knew, if it is an older store that knows it no more, else 0; `found` is that of the
    last line that stood there. Used from the store's writer thread only. Made before that starts;
    raises ConfigError then.
    """

    def __init__(
        self,
        path: Path,
        key: bytes,
        *,
        head: AuditHead,
        wall: Callable[[int], datetime],
        boot: str,
        rotation: Rotation = NEVER,
        tell: Callable[[Sequence[Written]], None] = _nobody,
    ) -> None:
        self._path = path
        self._key = key
        self._wall = wall
        self._boot = boot
        self._rotation = rotation
        self._tell = tell
        self._stored = head.seq
        self._torn_at: int | None = None
        self._unsynced = False
        self._not_before: datetime | None = None
        try:
            clear_up(path)
            check_private(path)
            self._head, flagged, self.store_knew = _resume(path, key, head)
            self.found = self._head.seq
            self._first, self._since = _beginning(path, key, self._head.seq + 1)
            self._file = os.open(path, _WRITING, 0o600)
            sync_directory(path.parent)
            knew = {KNEW: str(self.store_knew)} if self.store_knew else {}
            for found in flagged:
                logger.error("%s: %s", path, found)
                self._write([self._line({"event": BROKEN, "detail": {"why": found, **knew}})])
        except OSError as error:
            raise ConfigError(f"{path}: cannot be used as audit ({error.strerror})") from error

    def append(
        self, events: Sequence[Event], *, delayed: bool = False, stored: int = 0
    ) -> AuditHead:
        """Write one line an event and make them durable; returns the last line's place.

        `stored` is the number of the last line that the store knows for good; lines bear it, so
        that a store which was set back shows. Raises OSError when writing fails; the file is then
        cut back to where it was.
        """
        failpoints.hit("audit.append")
        if not events:
            return self._head
        self._stored, now = stored, self._wall(events[-1].at_ms)
        self._rotate(now)
        before, late = self._head, {"delayed": True} if delayed else {}
        try:
            self._write(
                [self._line({**event_fields(event, self._wall), **late}) for event in events]
            )
        except OSError:
            self._head = before
            raise
        self._since = self._since or now
        return self._head

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _write(self, lines: Sequence[Written]) -> None:
        if self._unsynced:
            sync_directory(self._path.parent)
            self._unsynced = False
        if self._torn_at is not None:  # a failed write that could not be cut off then
            os.ftruncate(self._file, self._torn_at)
        self._torn_at = os.fstat(self._file).st_size
        try:
            write_all(self._file, "".join(f"{line.text}\n" for line in lines).encode())
            failpoints.hit("audit.written")
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self._torn_at)
            self._torn_at = None
            raise
        self._torn_at = None
        self._tell(lines)

    def _line(self, fields: Line) -> Written:
        known = {"boot": self._boot, "stored": self._stored}
        line, self._head = chained({**fields, **known}, self._key, self._head)
        return line

    def _rotate(self, now: datetime) -> None:
        """Begin a new file if this one is full; what goes wrong with that holds nothing up."""
        if self._torn_at is not None or (self._not_before and now < self._not_before):
            return
        if not self._rotation.is_full(os.fstat(self._file).st_size, self._since, now):
            return
        before, full = self._head, full_name(self._path, self._first)
        first = self._line(
            {"time": instant(now), "event": CONTINUED, "detail": {"file": full.name}}
        )
        try:
            file = begin_anew(self._path, full, f"{first.text}\n")
        except OSError as error:
            self._head, self._not_before = before, now + AGAIN
            logger.error("%s: no new file could be begun: %s", self._path, error.strerror)
            return
        os.close(self._file)
        self._file, self._first, self._since = file, self._head.seq, now
        self._unsynced, self._not_before = True, None
        failpoints.hit("audit.rotate.renamed")
        self._tell([first])
        try:
            self._remove_outlived(now)
        except OSError as error:
            logger.error("%s: old files could not be removed: %s", self._path, error.strerror)

    def _remove_outlived(self, now: datetime) -> None:
        """Remove full files that were kept long enough, which is told first (see `Rotation`)."""
        keep, before = self._rotation.keep, self._head
        old = [] if keep is None else [*outlived(self._path, self._key, keep, now)]
        if not old:
            return
        told = [
            {
                "file": full.name,
                "first": str(first["seq"]),
                "last": str(last["seq"]),
                "mac": last["mac"],
            }
            for full, first, last in old
        ]
        try:
            self._write(
                [
                    self._line({"time": instant(now), "event": REMOVED, "detail": detail})
                    for detail in told
                ]
            )
        except OSError:
            self._head = before
            raise
        failpoints.hit("audit.remove.told")
        for full, _, _ in old:
            full.unlink()


def _resume(path: Path, key: bytes, head: AuditHead) -> tuple[AuditHead, list[str], int]:
    """Where to go on: the last good line, what to flag if it is not where it should be, and the
    number of a line that an older store knows no more.

    Lines beyond the store's head are legal, since a crash may fall between them and the commit;
    but not those that were written when the store knew more than it does now. A torn last line is
    cut off when all that the store knows of stands before it (rule AU5).
    """
    last = None
    try:
        with os.fdopen(os.open(path, _RESUMING), "r+b") as file:
            line, end = last_line(file)
            last = fields_of(line, key) if line else None
            if last is not None and last["seq"] >= head.seq:
                file.truncate(end)
                knew = _knew(last)
                if last["seq"] == head.seq or knew <= head.seq:
                    return head_of(last), [], 0
                back = f"the store knows {head.seq} lines of the audit, and once knew {knew}"
                return head_of(last), [f"{back}: an older store"], knew
            if end == 0 and head.seq == 0:
                file.truncate(0)
                return head, [], 0
    except FileNotFoundError:
        if head.seq == 0:
            return head, [], 0
        return head, [f"the audit is missing; the store knows {head.seq} lines"], 0
    aside = path.with_name(f"{path.name}.broken-{head.seq}")
    path.rename(aside)
    found = "no good line" if last is None else f"line {last['seq']}"
    why = f"the audit ended with {found} but the store knows {head.seq}; kept as {aside.name}"
    return head, [why], 0


def _knew(last: Line) -> int:
    """The last line that the store ever knew, by the last line that there is.

    A start that noted an older store may have died before the store knew of the note.
    """
    noted = last["detail"].get(KNEW, 0) if last["event"] == BROKEN else 0
    return max(int(last.get("stored", 0)), int(noted))


def _beginning(path: Path, key: bytes, default: int) -> tuple[int, datetime | None]:
    """Number and time of a file's first line; `default` is what will be its number."""
    try:
        with opened(path) as file:
            line = first_line(file)
    except FileNotFoundError:
        return default, None
    fields = fields_of(line, key) if line else {"seq": default}
    if fields is None:  # for a person to look at; it only gives its file a name
        return 0, None
    told = time_of(fields)
    return fields["seq"], datetime.fromisoformat(told) if told else None
