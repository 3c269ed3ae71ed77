"""Connections that leases are bound to: how many may be, who is at their end, what they answer."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable

from aiohttp import web

from leasehold.api.body import BODY_BYTES
from leasehold.errors import LimitReached

EACH = 16
"""Of one caller; half of all that it may have, so that it can still renew what they hold."""
PROBE_AFTER_S, PROBE_EVERY_S, PROBES = 10, 5, 2
DEAD_S = PROBE_AFTER_S + PROBE_EVERY_S * PROBES
"""A peer by TCP of which nothing was heard for so long is dead (tcp(7))."""


class Holds:
    """Who has connections that hold leases, at most `EACH` of one name and `most` in all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[str] = Counter()

    def enter(self, who: str) -> Callable[[], None]:
        """Count one more; the way out again, to be called once. Raises LimitReached."""
        if self._held[who] >= EACH:
            raise LimitReached(f"{who} has {EACH} connections that hold leases; close some")
        if self._held.total() >= self._most:
            raise LimitReached(f"{self._most} connections hold leases, which is all; try again")
        self._held[who] += 1

        def leave() -> None:
            self._held[who] -= 1
            self._held += Counter()  # forgets those who have none

        return leave


def watch_peer(transport: asyncio.Transport | None) -> None:
    """Have the kernel find out when the host at the other end is gone, which says no farewell.

    Raises OSError when the connection has ended.
    """
    if transport is None:
        raise ConnectionResetError("the connection has ended")
    sock = transport.get_extra_info("socket")
    if sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, PROBE_AFTER_S),
        (socket.TCP_KEEPINTVL, PROBE_EVERY_S),
        (socket.TCP_KEEPCNT, PROBES),
        (socket.TCP_USER_TIMEOUT, DEAD_S * 1000),
    ):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


async def drained(request: web.BaseRequest) -> None:
    """Read what is left of a request that is refused, so that the connection need not be closed.

    Of a body over the limit no more is read; then it is closed.
    """
    left = BODY_BYTES
    while left > 0 and not request.content.is_eof():
        left -= len(await request.content.readany())
