"""The wire of SQL Server, as far as a login goes: PRELOGIN, TLS inside of it, LOGIN7, one batch."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from leasehold_plugins.mssql.tunnel import HEADER, header

PRELOGIN, REPLY, LOGIN, BATCH = 0x12, 0x04, 0x10, 0x01
OFF, ON, NONE, REQUIRED = range(4)
DONE = struct.pack("<BHHQ", 0xFD, 0, 0, 0)
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
        options = bytes([0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF]) + bytes([16, 0, 0, 0, 0, 0])
        self._reply(send, options + bytes([self.encryption]))
        if self.encryption in (ON, REQUIRED):
            receive, send = self._shake_hands(conn)
        login = self._packet(receive)
        if self.routed_to is not None:
            self._reply(send, acknowledged() + routing(self.routed_to) + DONE)
            return
        if mangled(self.password) not in login:
            self._reply(send, refusal(REFUSED) + struct.pack("<BHHQ", 0xFD, 2, 0, 0))
            return
        self._reply(send, acknowledged() + DONE)
        while True:
            self._packet(receive)
            self._reply(send, DONE)

    def _packet(self, receive: Callable[[int], bytes]) -> bytes:
        head = exactly(receive, HEADER)
        self.packets.append(head[0])
        return exactly(receive, int.from_bytes(head[2:4]) - HEADER)

    @staticmethod
    def _reply(send: Callable[[bytes], None], body: bytes) -> None:
        send(header(REPLY, 1, len(body)) + body)

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


def exactly(receive: Callable[[int], bytes], size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = receive(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def mangled(password: str) -> bytes:
    """As LOGIN7 carries it: nibbles swapped, all turned by A5 (MS-TDS 2.2.6.4)."""
    return bytes(((it << 4 | it >> 4) & 0xFF) ^ 0xA5 for it in password.encode("utf-16-le"))


def acknowledged() -> bytes:
    name = "fake".encode("utf-16-le")
    body = bytes([1]) + struct.pack(">I", 0x74000004) + bytes([4]) + name + bytes([16, 0, 0, 0])
    return struct.pack("<BH", 0xAD, len(body)) + body


def routing(port: int) -> bytes:
    """An ENVCHANGE that leads to localhost (MS-TDS 2.2.7.9)."""
    host = "localhost"
    value = struct.pack("<BHH", 0, port, len(host)) + host.encode("utf-16-le")
    body = bytes([20]) + struct.pack("<H", len(value)) + value + b"\0\0"
    return struct.pack("<BH", 0xE3, len(body)) + body


def refusal(number: int) -> bytes:
    text = "no, and the password was hunter2".encode("utf-16-le")
    body = struct.pack("<iBBH", number, 1, 14, len(text) // 2) + text
    body += b"\0" + b"\0" + struct.pack("<i", 1)
    return struct.pack("<BH", 0xAA, len(body)) + body
