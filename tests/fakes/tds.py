"""The wire of SQL Server, as far as a login goes: PRELOGIN, TLS inside of it, LOGIN7, one batch."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

from fakes.tds_tokens import (
    DONE,
    FAILED,
    acknowledged,
    mangled,
    packet,
    prelogin,
    refusal,
    replies,
    routing,
)
from leasehold_plugins.mssql.tunnel import header

PRELOGIN, LOGIN = 0x12, 0x10
OFF, ON, NONE, REQUIRED = range(4)
REFUSED = 18456


class TdsServer:
    """Answers PRELOGIN with `encryption`, and lets in whoever has `password`. One login at a time.

    `routed_to` is where it sends everybody instead. `heard` is what it was sent in clear,
    `packets` the kinds of packets that came through.
    """

    def __init__(self, certificate: tuple[Path, Path], encryption: int, password: str) -> None:
        self.encryption, self.password = encryption, password
        self.routed_to: int | None = None
        self.heard = b""
        self.packets: list[int] = []
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(*certificate)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                conn, _ = self._listening.accept()
            except OSError:
                return
            conn.settimeout(5)
            with contextlib.suppress(OSError, EOFError), conn:
                self._converse(conn)

    def _converse(self, conn: socket.socket) -> None:
        def hear(size: int) -> bytes:
            data = conn.recv(size)
            self.heard += data
            return data

        receive, send = hear, conn.sendall
        self._packet(receive)
        send(replies(prelogin(self.encryption)))
        if self.encryption in (ON, REQUIRED):
            receive, send = self._shake_hands(conn)
        login = self._packet(receive)
        if self.routed_to is not None:
            send(replies(acknowledged() + routing(self.routed_to) + DONE))
            return
        if mangled(self.password) not in login:
            send(replies(refusal(REFUSED) + FAILED))
            return
        send(replies(acknowledged() + DONE))
        while True:
            self._packet(receive)
            send(replies(DONE))

    def _packet(self, receive: Callable[[int], bytes]) -> bytes:
        kind, _, body = packet(receive)
        self.packets.append(kind)
        return body

    def _shake_hands(
        self, conn: socket.socket
    ) -> tuple[Callable[[int], bytes], Callable[[bytes], None]]:
        into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._tls.wrap_bio(into, out, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                if data := out.read():
                    conn.sendall(header(PRELOGIN, 1, len(data)) + data)
                into.write(self._packet(conn.recv))

        def receive(size: int) -> bytes:
            while True:
                try:
                    return tls.read(size)
                except ssl.SSLWantReadError:
                    if not (data := conn.recv(65_536)):
                        return b""
                    into.write(data)

        def send(data: bytes) -> None:
            tls.write(data)
            conn.sendall(out.read())

        if data := out.read():
            conn.sendall(header(PRELOGIN, 1, len(data)) + data)
        return receive, send
