"""Lets callers in by the Unix socket, and by TLS where that is set, and serves them alike."""

import asyncio
import logging
import resource
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from aiohttp import web

from leasehold.api.connection import Connection
from leasehold.api.crowd import Crowd, turned_away
from leasehold.api.dispatch import Dispatcher
from leasehold.api.holds import Holds
from leasehold.api.listening import ListeningSocket
from leasehold.api.tls_door import TlsDoor
from leasehold.api.tls_listening import TlsListener
from leasehold.failpoints import reach
from leasehold.identity.attestation import Attestation
from leasehold.identity.peercred import attest
from leasehold.model import Caller

logger = logging.getLogger(__name__)

CONNECTIONS = 512
TLS_CONNECTIONS = 256
"""Counted apart, so that nobody in the network keeps callers on this host out."""
FD_RESERVE = 256
"""Descriptors kept for targets, the store and the broker."""
LEAST = 8
HANDSHAKE_S = 5.0


class ApiServer:
    """Serves `dispatcher` on `listening`, and on `tls` if there is one.

    Of callers on this host it knows what `attestation` finds the policy to ask for.
    """

    def __init__(
        self,
        listening: ListeningSocket,
        dispatcher: Dispatcher,
        tls: TlsListener | None,
        attestation: Attestation,
        *,
        handshake_s: float = HANDSHAKE_S,
    ) -> None:
        self._listening = listening
        self._dispatcher = dispatcher
        self._tls = tls
        self._attestation = attestation
        self._server = web.Server(self._serve, handler_cancellation=True)
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        spare = soft - FD_RESERVE
        by_tls = 0 if tls is None else max(LEAST, min(TLS_CONNECTIONS, spare // 3))
        self._crowd = Crowd(max(LEAST, min(CONNECTIONS, spare - by_tls)))
        self._not_begun: set[socket.socket] = set()
        self._held = Holds(max(LEAST, min(CONNECTIONS, spare)) // 2)
        self._door = None
        if tls is not None:
            self._door = TlsDoor(tls, Crowd(by_tls), self._connection, handshake_s)

    async def accept(self) -> None:
        """Take callers in until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._accept(group))
                if self._tls is not None and self._door is not None:
                    group.create_task(self._tls.watch())
                    group.create_task(self._door.accept())
        finally:
            while self._not_begun:  # a task that is cancelled before it runs closes nothing
                self._not_begun.pop().close()

    def look_soon(self) -> None:
        """Have the files of the TLS listener read again."""
        if self._tls is not None:
            self._tls.look_soon()

    def troubles(self) -> Sequence[str]:
        """What degrades the ways in, one line each."""
        return () if self._tls is None else self._tls.troubles()

    async def _accept(self, group: asyncio.TaskGroup) -> None:
        while True:
            sock = await self._crowd.arrival(self._listening.socket)
            try:
                caller = attest(sock)
                leave = self._crowd.enter(caller.seat)
                if leave is None:
                    _turn_away(sock, caller)
                    continue
            except OSError as error:
                logger.info("a caller went away before it was served (%s)", error.strerror)
                sock.close()
                continue
            if self._attestation.asks_more(caller):  # which must not keep others waiting
                self._not_begun.add(sock)
                group.create_task(self._look_and_connect(sock, caller, leave))
            else:
                await self._connect(sock, caller, leave)

    async def _look_and_connect(
        self, sock: socket.socket, caller: Caller, leave: Callable[[], None]
    ) -> None:
        self._not_begun.discard(sock)
        with ExitStack() as undone:  # cancelled too: the daemon stops
            undone.callback(sock.close)
            undone.callback(leave)
            try:
                caller = await self._attestation.narrowed(caller)
            except Exception:
                # The guard of this task: one caller must not end the accepting of all others.
                logger.exception("%s was not let in: a defect of leasehold", caller.who)
                return
            undone.pop_all()
        await self._connect(sock, caller, leave)

    async def _connect(
        self, sock: socket.socket, caller: Caller, leave: Callable[[], None]
    ) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._connection(caller, leave), sock
            )
        except OSError as error:
            logger.warning("cannot serve a caller (%s)", error.strerror)
            leave()
            sock.close()

    def _connection(self, caller: Caller, gone: Callable[[], None]) -> Connection:
        loop = asyncio.get_running_loop()
        return Connection(self._server, caller=caller, loop=loop, gone=gone, held=self._held)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        if not isinstance(connection, Connection):
            raise TypeError("a request without an attested caller")
        with connection.serving(request):
            return await self._dispatcher.serve(request, connection.caller)

    def end_connections(self) -> None:
        """Let every connection end with the request it is in, as after a change of policy.

        Those that hold leases serve no other request anyway, and stay.
        """
        for connection in self._server.connections:
            if isinstance(connection, Connection):
                connection.outdate()

    async def close(self, drain_s: float) -> None:
        """Give running requests `drain_s` seconds, then end every connection."""
        self._listening.close()
        if self._tls is not None:
            self._tls.close()
        self._server.pre_shutdown()
        await reach("stop.draining")
        await self._server.shutdown(drain_s)
        await reach("stop.drained")


def _turn_away(sock: socket.socket, caller: Caller) -> None:
    sock.setblocking(False)
    try:
        sock.send(turned_away(caller.seat))
    finally:
        sock.close()
