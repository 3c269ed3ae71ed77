"""From a TCP connection to an attested caller: the TLS handshake, within limits (rules I5, H2, H3).

Nothing is known of the peer before the handshake is over, so until then it counts under its
address, has a deadline, and holds up nobody. Afterwards it counts as who it is.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

from leasehold.api.connection import Connection
from leasehold.api.crowd import Crowd, turned_away
from leasehold.api.tls_alerts import telling_why
from leasehold.api.tls_files import TlsContext
from leasehold.api.tls_listening import TlsListener, peer_address
from leasehold.hosts import counted_as
from leasehold.identity.certificate import BadCertificate, attest
from leasehold.model import Caller

logger = logging.getLogger(__name__)

SHUTDOWN_S = 2.0
"""How long a peer may take to say that it has heard of the end."""

Connect = Callable[[Caller, Callable[[], None]], Connection]
"""Makes the connection of a caller, which calls the function when it has ended."""


class TlsDoor:
    """Takes in who comes to `tls`, at most as many as `crowd` holds."""

    def __init__(
        self, tls: TlsListener, crowd: Crowd, connect: Connect, handshake_s: float
    ) -> None:
        self._tls = tls
        self._crowd = crowd
        self._connect = connect
        self._handshake_s = handshake_s
        self._not_begun: set[socket.socket] = set()

    async def accept(self) -> None:
        """Take callers in until cancelled."""
        try:
            async with asyncio.TaskGroup() as handshakes:
                await self._take_in(handshakes)
        finally:
            while self._not_begun:  # a task that is cancelled before it runs closes nothing
                self._not_begun.pop().close()

    async def _take_in(self, handshakes: asyncio.TaskGroup) -> None:
        while True:
            sock = await self._crowd.arrival(self._tls.socket)
            try:
                address = peer_address(sock)
            except OSError:
                sock.close()
                continue
            leave = self._crowd.enter(counted_as(address))
            if leave is None:
                logger.info("too many handshakes with %s at once", address)
                sock.close()
                continue
            self._not_begun.add(sock)
            handshakes.create_task(self._shake_hands(sock, address, leave))

    async def _shake_hands(
        self, sock: socket.socket, address: str, leave: Callable[[], None]
    ) -> None:
        self._not_begun.discard(sock)
        context = self._tls.context
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: _Doorkeeper(context, address, leave, self._crowd, self._connect),
                sock,
                ssl=telling_why(context.ssl, sock),
                ssl_handshake_timeout=self._handshake_s,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
        except OSError as error:  # that of ssl too
            logger.info("no TLS with %s: %s", address, _reason(error))
        finally:
            leave()


class _Doorkeeper(asyncio.Protocol):
    """Stands where the connection will be until the handshake is over."""

    def __init__(
        self,
        context: TlsContext,
        address: str,
        leave: Callable[[], None],
        crowd: Crowd,
        connect: Connect,
    ) -> None:
        self._context = context
        self._address = address
        self._leave = leave
        self._crowd = crowd
        self._connect = connect

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See who it is, and step aside for the connection."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("TLS without a stream")
        self._leave()
        der = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        try:
            peer = attest(der, self._context.authorities, self._address)
        except BadCertificate as trouble:
            logger.info("no TLS with %s: %s", self._address, trouble)
            transport.abort()
            return
        caller = Caller.over_tls(peer)
        gone = self._crowd.enter(caller.seat)
        if gone is None:
            transport.write(turned_away(caller.seat))
            transport.close()
            return
        connection = self._connect(caller, gone)
        transport.set_protocol(connection)
        connection.connection_made(transport)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no TLS").lower().replace("_", " ")
    return error.strerror or str(error)
