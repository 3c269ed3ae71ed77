"""TLS as TDS 7 wants it, below the driver: a handshake inside of PRELOGIN packets (MS-TDS 2.2.6.5).

python-tds would do it with pyOpenSSL, and compare host names by rules of its own. So it is told
that there is no encryption, and is given this in place of a socket. What it says about encryption
in its PRELOGIN is replaced by "on", and the server's consent by "none"; the handshake happens in
between, by the standard library, and all that follows goes through it. A server that does not
consent is sent nothing more.
"""

import socket
import ssl

from leasehold.plugin import EngineTemporary

PRELOGIN, LAST = 0x12, 0x01
ENCRYPTION, TERMINATOR = 0x01, 0xFF
ON, NONE, REQUIRED = 0x01, 0x02, 0x03
HEADER = 8
_MOST = 4096 - HEADER
"""What a packet may hold before both sides agreed on more."""


class Tunnel:
    """A socket for python-tds, whose first packet is a PRELOGIN. `host` is who has to answer."""

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._plain = plain
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        self._answer = b""
        self._is_up = False

    def settimeout(self, limit_s: float | None) -> None:
        """As a socket's."""
        self._plain.settimeout(limit_s)

    def gettimeout(self) -> float | None:
        """As a socket's."""
        return self._plain.gettimeout()

    def close(self) -> None:
        """As a socket's."""
        self._plain.close()

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """Send through the tunnel; the first call makes it. Raises EngineTemporary, OSError."""
        if not self._is_up:
            self._begin(bytes(data))
            return
        self._tls.write(bytes(data))
        self._plain.sendall(self._out.read())

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Up to `size` bytes, none at the end. Raises OSError."""
        if self._answer:
            part, self._answer = self._answer[:size], self._answer[size:]
            return part
        while True:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                if not (more := self._plain.recv(65_536)):
                    return b""
                self._in.write(more)
            except ssl.SSLZeroReturnError:
                return b""

    def recv_into(self, buffer: bytearray | memoryview, size: int = 0, flags: int = 0) -> int:
        """As a socket's."""
        found = self.recv(size or len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _begin(self, prelogin: bytes) -> None:
        self._plain.sendall(with_encryption(prelogin, ON)[1])
        said, answer = with_encryption(self._packet(), NONE)
        if said not in (ON, REQUIRED):
            raise EngineTemporary("SQL Server offers no TLS, so it was sent nothing")
        self._shake_hands()
        self._answer, self._is_up = answer, True

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send_wrapped(self._out.read())
                self._in.write(self._packet()[HEADER:])
            except ssl.SSLError as error:
                raise EngineTemporary(
                    "SQL Server's certificate is not trusted here, or is for another host; look at"
                    " ssl_ca in connection.url"
                ) from error
            else:
                self._send_wrapped(self._out.read())
                return

    def _send_wrapped(self, data: bytes) -> None:
        for at in range(0, len(data), _MOST):
            part = data[at : at + _MOST]
            last = LAST if at + _MOST >= len(data) else 0
            self._plain.sendall(header(PRELOGIN, last, len(part)) + part)

    def _packet(self) -> bytes:
        """One whole packet of the server."""
        head = self._exactly(HEADER)
        return head + self._exactly(int.from_bytes(head[2:4]) - HEADER)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._plain.recv(size - len(data))
            if not part:
                raise ConnectionError("the server closed the connection")
            data += part
        return data


def header(kind: int, status: int, length: int) -> bytes:
    """The head of a packet that holds `length` bytes (MS-TDS 2.2.3.1)."""
    return bytes([kind, status]) + (HEADER + length).to_bytes(2) + bytes([0, 0, 1, 0])


def with_encryption(packet: bytes, value: int) -> tuple[int | None, bytes]:
    """What a PRELOGIN packet says about encryption, and the packet with `value` in its place.

    Nothing, None, is what a packet says that lacks the option or is none (MS-TDS 2.2.6.5).
    """
    body = bytearray(packet[HEADER:])
    at = 0
    while at + 5 <= len(body) and body[at] != TERMINATOR:
        offset = int.from_bytes(body[at + 1 : at + 3])
        if body[at] == ENCRYPTION and offset < len(body):
            said, body[offset] = body[offset], value
            return said, packet[:HEADER] + bytes(body)
        at += 5
    return None, packet
