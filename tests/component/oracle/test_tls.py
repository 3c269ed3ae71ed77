"""The driver on the wire: who does not prove its name is sent no login."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from leasehold.plugin import EngineTemporary
from leasehold_plugins.oracle.address import Address
from leasehold_plugins.oracle.thin import dial
from servers.certificates import self_signed
from servers.postgres import free_port


class Listener:
    """Speaks TLS, counts what came through it, and hangs up."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        self.heard = 0
        self.port = 0

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _converse(self, read: asyncio.StreamReader, write: asyncio.StreamWriter) -> None:
        self.heard += len(await read.read(4096))
        write.close()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return self_signed(tmp_path, "localhost")


@pytest.fixture
async def listener(files: tuple[Path, Path]) -> AsyncIterator[Listener]:
    made = Listener(*files)
    server = await made.start()
    yield made
    server.close()
    await server.wait_closed()


async def log_in(listener: Listener, ca: Path, host: str = "localhost") -> None:
    where = Address(host=host, port=listener.port, service="app", ssl_ca=str(ca))
    await (await dial(where, "leasehold", "adm1n", 1)).close()


async def test_who_proves_its_name_is_spoken_to(
    listener: Listener, files: tuple[Path, Path]
) -> None:
    with pytest.raises(EngineTemporary, match="cannot be reached"):
        await log_in(listener, files[0])
    assert listener.heard > 0


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    listener: Listener, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other, _ = self_signed(tmp_path / "other", "localhost")
    with pytest.raises(EngineTemporary, match="certificate is not trusted here"):
        await log_in(listener, other)
    assert listener.heard == 0


async def test_a_certificate_for_another_host_is_refused(
    listener: Listener, files: tuple[Path, Path]
) -> None:
    with pytest.raises(EngineTemporary, match="for another host"):
        await log_in(listener, files[0], host="127.0.0.1")
    assert listener.heard == 0


async def test_nobody_there_is_temporary(files: tuple[Path, Path]) -> None:
    where = Address(host="localhost", port=free_port(), service="app")
    with pytest.raises(EngineTemporary, match="Oracle cannot be reached"):
        await dial(where, "leasehold", "adm1n", 1)
