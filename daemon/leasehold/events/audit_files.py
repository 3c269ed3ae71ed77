"""The files of one audit, and their order: full ones, those that were kept aside, the current one.

`audit.jsonl` is written; a full file keeps its lines as `audit-<first number>.jsonl`. While a file
is made full it has both names for a moment, so files are told apart by what they are.
"""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

CURRENT = "audit.jsonl"
LINE_BYTES = 1 << 18
"""Longer than any line of ours."""
_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def full_name(current: Path, first: int) -> Path:
    """What a file is called when it is full, by the number of its first line."""
    return current.with_name(f"{current.stem}-{first:012}{current.suffix}")


def full_files(current: Path) -> list[Path]:
    """Full files beside `current`, in order."""
    name = re.compile(rf"{re.escape(current.stem)}-(\d{{12,19}}){re.escape(current.suffix)}")
    return [path for _, path in _named(current.parent, name)]


def before_current(current: Path) -> list[Path]:
    """Every file that comes before `current`, in order.

    `audit.jsonl.broken-<number>` was kept aside at a start: a file that ended before that number.
    """
    name = re.compile(
        rf"{re.escape(current.stem)}-(\d{{12,19}}){re.escape(current.suffix)}"
        rf"|{re.escape(current.name)}\.broken-(\d{{1,19}})"
    )
    return [path for _, path in _named(current.parent, name)]


def _named(folder: Path, name: re.Pattern[str]) -> list[tuple[int, Path]]:
    found = [(name.fullmatch(path.name), path) for path in folder.iterdir()]
    return sorted((int(match[match.lastindex or 1]), path) for match, path in found if match)


def opened(path: Path) -> BinaryIO:
    """A file of an audit, to be read. Raises OSError, also for a link."""
    return os.fdopen(os.open(path, _READING), "rb")


def first_line(file: BinaryIO) -> bytes:
    """The first line of a file, empty when there is none. Raises OSError."""
    file.seek(0)
    return file.readline(LINE_BYTES)


def last_line(file: BinaryIO) -> tuple[bytes, int]:
    """The last whole line of a file, empty when there is none, and where it ends. Raises OSError.

    What stands behind it was torn by a crash, or is being written.
    """
    start = file.seek(max(0, file.seek(0, os.SEEK_END) - LINE_BYTES))
    tail = file.read(LINE_BYTES)
    whole = tail.rfind(b"\n") + 1
    return tail[tail.rfind(b"\n", 0, max(0, whole - 1)) + 1 : whole], start + whole


class Reading:
    """All files of an audit as they are now, though a daemon goes on writing. Raises OSError.

    The current file is opened first: whatever becomes full after that is not missed, and what was
    made full while we looked is not read twice.
    """

    def __init__(self, current: Path) -> None:
        self._current = current
        with ExitStack() as undo:
            self._last = undo.enter_context(opened(current))
            info = os.fstat(self._last.fileno())
            # Its other name, if it became full meanwhile; what comes behind that is too late.
            self._paths = [*takewhile(lambda path: not _is(path, info), before_current(current))]
            undo.pop_all()

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *_: object) -> None:
        self._last.close()

    def forward(self) -> Iterator[tuple[str, BinaryIO]]:
        """Each file with its name, the oldest first; the current one keeps its name."""
        for path in self._paths:
            with opened(path) as file:
                yield path.name, file
        yield self._current.name, self._last

    def backward(self) -> Iterator[tuple[str, BinaryIO]]:
        """The same, the newest first, as far back as they still are."""
        yield self._current.name, self._last
        for path in reversed(self._paths):
            try:
                file = opened(path)
            except FileNotFoundError:  # removed by its age meanwhile, with all before it
                return
            with file:
                yield path.name, file


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, of which only a last one that was torn has no newline."""
    while line := file.readline(LINE_BYTES):
        if len(line) == LINE_BYTES and not line.endswith(b"\n"):
            while (rest := file.readline(LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            line = b"too long\n"  # so it is none of ours, and need not be kept
        yield line


def _is(path: Path, info: os.stat_result) -> bool:
    try:
        found = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (info.st_dev, info.st_ino)
