"""MongoDB's wire protocol for servers of tests: OP_MSG, and OP_QUERY for the first greeting."""

import contextlib
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bson import decode, encode

_HEADER = struct.Struct("<iiii")
_MSG, _QUERY, _REPLY = 2013, 2004, 1


class Hangup(Exception):
    """The connection is to be closed without a reply."""


@dataclass(frozen=True)
class Message:
    """A message as it came, and what it holds."""

    raw: bytes
    request: int
    kind: int
    document: dict[str, Any]


def _message(request: int, to: int, document: Mapping[str, Any]) -> bytes:
    body = struct.pack("<iB", 0, 0) + encode(document)
    return _HEADER.pack(_HEADER.size + len(body), request, to, _MSG) + body


class Connection:
    """One client's connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def receive(self) -> Message:
        """The next message. Raises EOFError at the end."""
        head = self._read(_HEADER.size)
        length, request, _, kind = _HEADER.unpack(head)
        body = self._read(length - _HEADER.size)
        if kind == _MSG:
            size = struct.unpack_from("<i", body, 5)[0]
            assert (body[4], 5 + size) == (0, len(body)), "one section, and nothing behind it"
            document = decode(body[5:])
        else:
            # A query has a name and two numbers before its document, a reply twenty bytes.
            document = decode(body[body.index(b"\0", 4) + 9 :] if kind == _QUERY else body[20:])
        return Message(head + body, request, kind, document)

    def send(self, raw: bytes) -> None:
        self.sock.sendall(raw)

    def ask(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """As a client: the reply to a command."""
        self.send(_message(1, 0, document))
        return self.receive().document

    def reply(self, to: Message, document: Mapping[str, Any]) -> None:
        if to.kind == _MSG:
            self.send(_message(0, to.request, document))
            return
        body = struct.pack("<iqii", 8, 0, 0, 1) + encode(document)
        self.send(_HEADER.pack(_HEADER.size + len(body), 0, to.request, _REPLY) + body)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data


class Listener:
    """Accepts clients on loopback, and has `serve` see to each in a thread of its own."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer._handle(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._tls = tls
        self._open: set[socket.socket] = set()
        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def serve(self, connection: Connection) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.hang_up()

    def hang_up(self) -> None:
        """Cut all connections."""
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _handle(self, sock: socket.socket) -> None:
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            self._open.add(sock)
            self.serve(Connection(sock))
        except (EOFError, OSError, Hangup):
            pass
        finally:
            self._open.discard(sock)
            sock.close()
