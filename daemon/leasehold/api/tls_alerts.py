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
    return cast(ssl.SSLContext, _TellingWhy(context, sock))


class _TellingWhy:
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
        shake_hands = made.do_handshake

        def do_handshake() -> None:
            try:
                shake_hands()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._sock.send(outgoing.read())
                raise

        made.do_handshake = do_handshake  # type: ignore[method-assign]  # of this one
        return made
