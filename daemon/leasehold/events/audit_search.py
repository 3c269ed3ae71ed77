"""What the audit has on one request, looked for from its end backwards.

The audit may be of any size, so it is read in blocks, and no further back than `REACH_BYTES`. Only
lines that verify count.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leasehold.events.audit import fields_of

logger = logging.getLogger(__name__)

REACH_BYTES = 256 << 20
BLOCK_BYTES = 1 << 20

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """The lines on a request, the oldest first; `whole` when nothing older was left unread."""

    lines: tuple[Line, ...]
    whole: bool


class AuditSearch:
    """Reads `audit.jsonl`, which another object writes meanwhile. Blocks."""

    def __init__(
        self,
        path: Path,
        key: bytes,
        *,
        reach_bytes: int = REACH_BYTES,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self._path = path
        self._key = key
        self._block_bytes = block_bytes
        self.reach_bytes = reach_bytes

    def find(self, request_id: str) -> Found:
        """Every line on a request, back to the one that has its decision. Raises OSError."""
        needle = f'"request":"{request_id}"'.encode()
        handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            size = os.fstat(handle).st_size
            floor = max(0, size - self.reach_bytes)
            found: list[Line] = []
            for text in self._lines_with(needle, handle, floor, size):
                line = self._verified(text, request_id)
                if line is not None:
                    found.append(line)
                    if "verb" in line["detail"]:
                        break
        finally:
            os.close(handle)
        return Found(tuple(reversed(found)), whole=floor == 0)

    def _lines_with(self, needle: bytes, handle: int, floor: int, end: int) -> Iterator[str]:
        """Complete lines that hold `needle`, the last one first, between two places of a file."""
        rest = b""  # the end of a line that begins further up
        while end > floor:
            begin = max(floor, end - self._block_bytes)
            block = os.pread(handle, end - begin, begin) + rest
            cut = 0 if begin == 0 else block.find(b"\n") + 1
            rest, end = block[:cut] or block, begin
            if begin == 0 or cut > 0:  # else it is one line that is longer than a block
                yield from _backwards(needle, block, cut)

    def _verified(self, text: str, request_id: str) -> Line | None:
        line = fields_of(text, self._key)
        if line is None:
            logger.error("%s: a line on request %s does not verify", self._path, request_id)
        return line


def _backwards(needle: bytes, block: bytes, begin: int) -> Iterator[str]:
    end = block.rfind(b"\n") + 1  # behind it stands what is being written just now
    while (at := block.rfind(needle, begin, end)) >= 0:
        start = max(begin, block.rfind(b"\n", begin, at) + 1)
        yield block[start : block.index(b"\n", at) + 1].decode(errors="replace")
        end = start
