"""What the audit has on one request or one lease, looked for from its end backwards, file by file.

The audit may be of any size, so it is read in blocks, no further back than it has to be, and no
further than `reach_bytes`. Only lines that verify count.
"""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from leasehold.events.audit_files import LINE_BYTES, Reading
from leasehold.events.audit_line import Line, fields_of
from leasehold.model import EventType

logger = logging.getLogger(__name__)

REACH_BYTES = 256 << 20
BLOCK_BYTES = 1 << 20
MOST_LINES = 1_000
"""The most lines on one thing; of more, the oldest are left out, but for its beginning."""


@dataclass(frozen=True, slots=True)
class Found:
    """The lines on a request or a lease, the oldest first.

    `whole` when nothing older was left unread; `left_out` counts lines that were too many.
    """

    lines: tuple[Line, ...]
    whole: bool
    left_out: int = 0


class AuditSearch:
    """Reads the audit at `path`, which another object writes meanwhile. Blocks.

    Without `reach_bytes` it reads all of it.
    """

    def __init__(
        self,
        path: Path,
        key: bytes,
        *,
        reach_bytes: int | None = REACH_BYTES,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self._path = path
        self._key = key
        self._block_bytes = block_bytes
        self._reach_bytes = reach_bytes

    def find(self, request_id: str) -> Found:
        """Every line on a request, back to the one that has its decision. Raises OSError."""
        return self._find(
            f"request {request_id}",
            f'"request":"{request_id}"'.encode(),
            lambda line: _is_of_request(line, request_id),
            lambda line: "verb" in line["detail"],
        )

    def find_lease(self, lease_id: str) -> Found:
        """Every line on a lease, back to its intent. Raises OSError.

        Those are the lines of its life, and those that only name it: a request of somebody who may
        not have it, an orphan that was its account.
        """
        return self._find(
            f"lease {lease_id}",
            f'"{lease_id}"'.encode(),
            lambda line: lease_id in (line.get("lease"), *line.get("detail", {}).values()),
            lambda line: line["event"] == EventType.INTENDED and line.get("lease") == lease_id,
        )

    def find_on(self, lease_id: str, request_id: str) -> Found:
        """Every line on a lease, or on a request, or on both where both are given."""
        if not lease_id:
            return self.find(request_id)
        found = self.find_lease(lease_id)
        if not request_id:
            return found
        lines = tuple(line for line in found.lines if _is_of_request(line, request_id))
        return Found(lines, found.whole, found.left_out)

    def since(self, number: int) -> Iterator[Line]:
        """Every line behind line `number`, the newest first. Raises OSError."""
        with Reading(self._path) as reading:
            for _, file in reading.backward():
                handle = file.fileno()
                for text in self._lines_with(b'{"seq":', handle, 0, os.fstat(handle).st_size):
                    line = self._verified(text, f"what came behind line {number}")
                    if line is None:
                        continue
                    if line["seq"] <= number:
                        return
                    yield line

    def or_older(self, found: Found) -> str:
        """The end of a sentence that says that nothing was found."""
        if found.whole or self._reach_bytes is None:
            return ""
        return f", or it is older than the last {self._reach_bytes >> 20} MiB of the audit"

    def _find(
        self,
        about: str,
        needle: bytes,
        is_of: Callable[[Line], bool],
        begins: Callable[[Line], bool],
    ) -> Found:
        found: list[Line] = []
        left_out, left = 0, self._reach_bytes
        with Reading(self._path) as reading:
            for _, file in reading.backward():
                handle = file.fileno()
                size = os.fstat(handle).st_size
                floor = 0 if left is None else max(0, size - left)
                left = None if left is None else left - (size - floor)
                for text in self._lines_with(needle, handle, floor, size):
                    line = self._verified(text, about)
                    if line is None or not is_of(line):
                        continue
                    first = begins(line)
                    if first or len(found) < MOST_LINES:
                        found.append(line)
                    else:
                        left_out += 1
                    if first:
                        return Found(tuple(reversed(found)), True, left_out)
                if floor > 0:
                    return Found(tuple(reversed(found)), False, left_out)
        return Found(tuple(reversed(found)), True, left_out)

    def _lines_with(self, needle: bytes, handle: int, floor: int, end: int) -> Iterator[bytes]:
        """Complete lines that hold `needle`, the last one first, between two places of a file."""
        rest = b""  # the end of a line that begins further up
        while end > floor:
            begin = max(floor, end - self._block_bytes)
            block = os.pread(handle, end - begin, begin) + rest
            cut = 0 if begin == 0 else block.find(b"\n") + 1
            rest, end = block[:cut] or block, begin
            if len(rest) > LINE_BYTES:
                rest = b""  # none of our lines
            if begin == 0 or cut > 0:  # else it is one line that is longer than a block
                yield from _backwards(needle, block, cut)

    def _verified(self, text: bytes, about: str) -> Line | None:
        line = fields_of(text, self._key)
        if line is None:
            logger.error("%s: a line on %s does not verify", self._path, about)
        return line


def _is_of_request(line: Line, request_id: str) -> bool:
    return bool(line.get("detail", {}).get("request") == request_id)


def _backwards(needle: bytes, block: bytes, begin: int) -> Iterator[bytes]:
    end = block.rfind(b"\n") + 1  # behind it stands what is being written just now
    while (at := block.rfind(needle, begin, end)) >= 0:
        start = max(begin, block.rfind(b"\n", begin, at) + 1)
        yield block[start : block.index(b"\n", at) + 1]
        end = start
