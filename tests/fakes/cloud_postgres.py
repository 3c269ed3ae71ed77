"""A fake of a managed PostgreSQL that takes a cloud's tokens: TLS and the login are its own.

As the clouds' servers do, it asks for the password in clear inside TLS, has `accepts` judge it, and
refuses in their words; who was let in goes on to a real server, which trusts the fake.
"""

import asyncio
import contextlib
import hmac
import ssl
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from servers.certificates import Authority

_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104
_ASK_CLEAR = b"R" + struct.pack("!ii", 8, 3)


class CloudPostgres:
    """Listens on `port` of localhost; `file` trusts it, `asked` holds each user and password."""

    def __init__(self, folder: Path, real: Path, accepts: Callable[[str, str], bool]) -> None:
        authority = Authority(folder, "cloud")
        pair = authority.server()
        self.file = authority.file
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pair.certificate_file, pair.key_file)
        self._real = real
        self.accepts = accepts
        self.asked: list[tuple[str, str]] = []

    async def __aenter__(self) -> "CloudPostgres":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        return f"postgresql://localhost:{self.port}/app?sslmode=verify-full&sslrootcert={self.file}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        startup = await _packet(reader)
        while (code := int.from_bytes(startup[4:8], "big")) in (_SSL_REQUEST, _GSS_REQUEST):
            if code == _SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(self._context)
            else:
                writer.write(b"N")
            startup = await _packet(reader)
        if writer.get_extra_info("ssl_object") is None:
            return
        words = startup[8:].split(b"\0")
        user = dict(zip(words[::2], words[1::2], strict=False))[b"user"].decode()
        writer.write(_ASK_CLEAR)
        assert await reader.readexactly(1) == b"p"
        password = (await _packet(reader))[4:-1].decode()
        self.asked.append((user, password))
        if not self.accepts(user, password):
            said = f'PAM authentication failed for user "{user}"'
            fields = b"SFATAL\0VFATAL\0C28000\0M" + said.encode() + b"\0\0"
            writer.write(b"E" + struct.pack("!i", len(fields) + 4) + fields)
            await writer.drain()
            return
        back, forth = await asyncio.open_unix_connection(self._real)
        forth.write(startup)
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(reader, forth))
            group.create_task(_pump(back, writer))


async def _packet(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(int.from_bytes(head, "big") - 4)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(4096):
            writer.write(data)
    writer.close()


def is_rds_token(token: str, *, host: str, user: str, region: str, secret_key: str) -> bool:
    """Whether AWS would take `token`: signed by the key, for this place, not yet over.

    The signature is that of a presigned URL (AWS, "Signature Version 4 for API requests").
    """
    url = urlsplit(f"https://{token}")
    asked = {name: value for name, [value] in parse_qs(url.query).items()}
    stamp = asked.get("X-Amz-Date", "")
    if (url.netloc, asked.get("Action"), asked.get("DBUser")) != (host, "connect", user):
        return False
    age = datetime.now(UTC) - datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if asked["X-Amz-Expires"] != "900" or age > timedelta(seconds=900):
        return False
    query, _, signature = url.query.partition("&X-Amz-Signature=")
    request = ("GET", "/", query, f"host:{host}", "", "host", sha256(b"").hexdigest())
    scope = (stamp[:8], region, "rds-db", "aws4_request")
    hashed = sha256("\n".join(request).encode()).hexdigest()
    key = b"AWS4" + secret_key.encode()
    for part in (*scope, "\n".join(("AWS4-HMAC-SHA256", stamp, "/".join(scope), hashed))):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex() == signature
