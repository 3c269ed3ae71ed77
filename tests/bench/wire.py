"""A lean HTTP/1.1 client over a Unix socket: what callers cost must not hide what the daemon costs.

It speaks as much of HTTP as the daemon's replies need, and keeps its connection. The daemon ends
a connection after a minute, since it speaks for whoever opened it; so it is opened anew before.
"""

import asyncio
import re
import time
from typing import Any

LIFETIME_S = 45.0
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def request(method: str, path: str, body: bytes = b"") -> bytes:
    """A request as the bytes that are sent."""
    head = f"{method} {path} HTTP/1.1\r\nHost: leasehold\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Wire:
    """One caller's connection."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._streams: Any = None
        self._opened = 0.0

    async def ask(self, request: bytes) -> bytes:
        """The body of the reply. Raises RuntimeError for a status that is not 2xx."""
        if self._streams is None or time.monotonic() - self._opened > LIFETIME_S:
            await self.open()
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body: bytes = await reader.readexactly(int(length[1])) if length else b""
        if head[9:10] != b"2":
            raise RuntimeError(f"{head[:40]!r}: {body[:300]!r}")
        return body

    async def open(self) -> None:
        """Connect, which is not to be measured."""
        self.close()
        self._streams = await asyncio.open_unix_connection(self._socket)
        self._opened = time.monotonic()

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
