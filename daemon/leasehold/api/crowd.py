"""How many may be connected at once: in all, and of one caller (rule H3)."""

import asyncio
import json
import logging
import socket
from collections import Counter
from collections.abc import Callable

logger = logging.getLogger(__name__)

EACH = 32
"""Connections of one caller."""
PAUSE_S = 0.05
_TURNED_AWAY = (
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s"
)


class Crowd:
    """Who is connected, at most `most` in all and `EACH` of one name."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside: Counter[str] = Counter()
        self._room = asyncio.Event()

    def enter(self, who: str) -> Callable[[], None] | None:
        """Count one more; the way out again, to be called once or more. None for one too many."""
        if self._inside[who] >= EACH:
            return None
        self._inside[who] += 1
        inside = True

        def leave() -> None:
            nonlocal inside
            if inside:
                inside = False
                self._inside[who] -= 1
                self._inside += Counter()  # forgets those who have none
                self._room.set()

        return leave

    async def arrival(self, listening: socket.socket) -> socket.socket:
        """The next one who connects. A full house waits in the kernel's queue.

        Nothing is awaited once somebody is accepted. The loop's own `sock_accept` loses whom it has
        just accepted when it is cancelled, and they would wait for an answer that nobody gives.
        """
        while True:
            while self._inside.total() >= self._most:
                self._room.clear()
                await self._room.wait()
            try:
                accepted, _ = listening.accept()
                accepted.setblocking(False)
                return accepted
            except BlockingIOError:
                await _readable(listening)
            except OSError as error:
                logger.warning("cannot accept a caller (%s)", error.strerror)
                await asyncio.sleep(PAUSE_S)


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    loop.add_reader(sock, there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(sock)


def turned_away(who: str) -> bytes:
    """The reply to somebody who has too many connections."""
    text = f"{who} has {EACH} connections open; close some"
    body = json.dumps({"errors": [text]}).encode()
    return _TURNED_AWAY % (len(body), body)
