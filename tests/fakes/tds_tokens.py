"""Tokens and packets of TDS 7.4, as a server writes them (MS-TDS 2.2.7)."""

import struct
from collections.abc import Callable, Sequence

from leasehold_plugins.mssql.link import Row
from leasehold_plugins.mssql.tunnel import HEADER, LAST, header

REPLY = 0x04
DONE = struct.pack("<BHHQ", 0xFD, 0, 0, 0)
FAILED = struct.pack("<BHHQ", 0xFD, 2, 0, 0)
_COLLATION = bytes([0x09, 0x04, 0xD0, 0x00, 0x34])
_MOST = 4000

Receive = Callable[[int], bytes]


def packet(receive: Receive) -> tuple[int, bool, bytes]:
    """Kind of the next packet, whether it is the last of its message, and what it holds."""
    head = exactly(receive, HEADER)
    return head[0], bool(head[1] & LAST), exactly(receive, int.from_bytes(head[2:4]) - HEADER)


def exactly(receive: Receive, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = receive(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def replies(body: bytes) -> bytes:
    """A reply in as many packets as it takes."""
    parts = [body[at : at + _MOST] for at in range(0, len(body), _MOST)]
    return b"".join(
        header(REPLY, LAST if number == len(parts) else 0, len(part)) + part
        for number, part in enumerate(parts, 1)
    )


def prelogin(encryption: int) -> bytes:
    options = bytes([0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF]) + bytes([16, 0, 0, 0, 0, 0])
    return options + bytes([encryption])


def mangled(password: str) -> bytes:
    """As LOGIN7 carries it: nibbles swapped, all turned by A5 (MS-TDS 2.2.6.4)."""
    return bytes(((it << 4 | it >> 4) & 0xFF) ^ 0xA5 for it in password.encode("utf-16-le"))


def login(body: bytes) -> tuple[str, str, str]:
    """User, password and database of a LOGIN7."""

    def text(number: int) -> bytes:
        at, length = struct.unpack_from("<HH", body, 36 + 4 * number)
        return body[at : at + 2 * length]

    clear = bytes((it ^ 0xA5) << 4 & 0xFF | (it ^ 0xA5) >> 4 for it in text(2))
    return text(1).decode("utf-16-le"), clear.decode("utf-16-le"), text(8).decode("utf-16-le")


def batch(body: bytes) -> str:
    """The text of a batch, behind its headers."""
    return body[struct.unpack_from("<I", body)[0] :].decode("utf-16-le")


def acknowledged() -> bytes:
    name = "fake".encode("utf-16-le")
    body = bytes([1]) + struct.pack(">I", 0x74000004) + bytes([4]) + name + bytes([16, 0, 0, 0])
    return struct.pack("<BH", 0xAD, len(body)) + body


def in_database(name: str) -> bytes:
    """An ENVCHANGE: the database that the session is in."""
    value = bytes([1, len(name)]) + name.encode("utf-16-le") + b"\0"
    return struct.pack("<BH", 0xE3, len(value)) + value


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


def rows(found: Sequence[Row]) -> bytes:
    """A result: numbers as INTN, anything else as NVARCHAR."""
    if not found:
        return b""
    width = len(found[0])
    numbers = [all(isinstance(row[at], int | None) for row in found) for at in range(width)]
    out = struct.pack("<BH", 0x81, width)
    for is_number in numbers:
        kind = bytes([0x26, 4]) if is_number else struct.pack("<BH", 0xE7, 512) + _COLLATION
        out += struct.pack("<IH", 0, 1) + kind + b"\0"
    for row in found:
        out += b"\xd1" + b"".join(map(_value, row, numbers))
    return out


def _value(value: object, is_number: bool) -> bytes:
    if is_number:
        return b"\0" if value is None else struct.pack("<Bi", 4, value)
    if value is None:
        return b"\xff\xff"
    data = str(value).encode("utf-16-le")
    return struct.pack("<H", len(data)) + data
