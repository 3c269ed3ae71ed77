"""Accepts callers, attests each once, and serves them within limits (rules I2, I3, H2, H3)."""

import asyncio
import json
import logging
import resource
import socket
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web

from leasehold.api.dispatch import Dispatcher
from leasehold.api.listening import ListeningSocket
from leasehold.identity.peercred import attest
from leasehold.model import Caller

logger = logging.getLogger(__name__)

CONNECTIONS = 512
CONNECTIONS_PER_CALLER = 32
FD_RESERVE = 256
"""Descriptors kept for targets, the store and the broker."""
LIFETIME_S = 60.0
"""A connection speaks for whoever opened it, so it does not stay open for long (rule I3)."""
PAUSE_S = 0.05
_LIMITS: dict[str, Any] = {
    "keepalive_timeout": 15,
    "max_line_size": 8_190,
    "max_field_size": 8_190,
    "max_headers": 64,
    "auto_decompress": False,
    "lingering_time": 1,
    "tcp_keepalive": False,
    "access_log": None,
}
_CROWDED = (
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s"
)


class Connection(web.RequestHandler):
    """One caller's connection. `gone` is called when it has ended."""

    def __init__(
        self,
        server: web.Server,
        *,
        caller: Caller,
        loop: asyncio.AbstractEventLoop,
        gone: Callable[[], None],
    ) -> None:
        super().__init__(server, loop=loop, **_LIMITS)
        self.caller = caller
        self.ends_at = loop.time() + LIFETIME_S
        self._gone = gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have the transport tell when everything is in the kernel, not when little is left."""
        if isinstance(transport, asyncio.Transport):
            transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Make room for another."""
        super().connection_lost(exc)
        self._gone()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no HTTP, or over its limits, is answered in our words and not logged as ours."""
        logger.debug("%s sent no HTTP that is accepted: %s", self.caller.who, type(exc).__name__)
        text = "the request is not HTTP/1.1 as it should be, or its head is over the limits"
        response = web.Response(
            status=status,
            body=json.dumps({"errors": [text]}).encode(),
            headers={"Content-Type": "application/json", "Server": "leasehold"},
        )
        response.force_close()
        return response


class ApiServer:
    """Serves `dispatcher` on `listening`."""

    def __init__(self, listening: ListeningSocket, dispatcher: Dispatcher) -> None:
        self._listening = listening
        self._dispatcher = dispatcher
        self._server = web.Server(self._serve, handler_cancellation=True)
        self._open: Counter[str] = Counter()
        self._room = asyncio.Event()
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = max(8, min(CONNECTIONS, soft - FD_RESERVE))

    async def accept(self) -> None:
        """Take callers in until cancelled. A full house waits in the kernel's queue."""
        loop = asyncio.get_running_loop()
        while True:
            while self._open.total() >= self._most:
                self._room.clear()
                await self._room.wait()
            try:
                sock, _ = await loop.sock_accept(self._listening.socket)
            except OSError as error:
                logger.warning("cannot accept a caller (%s)", error.strerror)
                await asyncio.sleep(PAUSE_S)
                continue
            await self._take_in(sock, loop)

    async def _take_in(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        try:
            caller = attest(sock)
            if self._open[caller.who] >= CONNECTIONS_PER_CALLER:
                _turn_away(sock, caller)
                return
        except OSError as error:
            logger.info("a caller went away before it was served (%s)", error.strerror)
            sock.close()
            return
        gone = partial(self._gone, caller.who)
        self._open[caller.who] += 1
        try:
            await loop.connect_accepted_socket(
                lambda: Connection(self._server, caller=caller, loop=loop, gone=gone), sock
            )
        except OSError as error:
            logger.warning("cannot serve a caller (%s)", error.strerror)
            gone()
            sock.close()

    def _gone(self, who: str) -> None:
        self._open[who] -= 1
        self._open += Counter()  # forgets those who have none
        self._room.set()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        if not isinstance(connection, Connection):
            raise TypeError("a request without an attested caller")
        response = await self._dispatcher.serve(request, connection.caller)
        if asyncio.get_running_loop().time() >= connection.ends_at:
            connection.close()
        return response

    def end_connections(self) -> None:
        """Let every connection end with the request it is in, as after a change of policy."""
        self._server.pre_shutdown()

    async def close(self, drain_s: float) -> None:
        """Give running requests `drain_s` seconds, then end every connection."""
        self._listening.close()
        self.end_connections()
        await self._server.shutdown(drain_s)


def _turn_away(sock: socket.socket, caller: Caller) -> None:
    text = f"{caller.who} has {CONNECTIONS_PER_CALLER} connections open; close some"
    body = json.dumps({"errors": [text]}).encode()
    sock.setblocking(False)
    try:
        sock.send(_CROWDED % (len(body), body))
    finally:
        sock.close()
