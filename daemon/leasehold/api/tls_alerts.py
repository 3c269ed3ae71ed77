"""The alert that tells a peer why its handshake failed, which asyncio does not send.

OpenSSL writes it into the outgoing buffer, and asyncio ends the connection without sending that (so
in CPython 3.11 to 3.14). The peer would see the end of a connection, not `certificate required`.
"""

import contextlib
import socket
import ssl
from typing import cast


def telling_why(context: ssl.SSLContext, sock: socket.socket) -> ssl.SSLContext:
    """The context, for the one handshake on `sock`."""
    context.sslobject_class = _Telling
    return cast(ssl.SSLContext, _TellingOn(context, sock))


class _Telling(ssl.SSLObject):
    """One end of TLS, which sends to `sock` what it has `outgoing` when the handshake fails."""

    outgoing: ssl.MemoryBIO
    sock: socket.socket

    def do_handshake(self) -> None:
        """See ssl.SSLObject.do_handshake."""
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            with contextlib.suppress(OSError):
                self.sock.send(self.outgoing.read())
            raise


class _TellingOn:
    """As much of an SSLContext as asyncio uses."""

    def __init__(self, context: ssl.SSLContext, sock: socket.socket) -> None:
        self._context = context
        self._sock = sock

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool,
        server_hostname: str | None,
    ) -> ssl.SSLObject:
        """See ssl.SSLContext.wrap_bio."""
        made = self._context.wrap_bio(incoming, outgoing, server_side, server_hostname)
        if isinstance(made, _Telling):
            made.outgoing, made.sock = outgoing, self._sock
        return made
