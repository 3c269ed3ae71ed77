"""Who gets in by TLS and as whom, and that nobody there holds up the others."""

import asyncio
import resource
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from fakes.front import Front, real_clock
from leasehold.api.crowd import EACH
from leasehold.api.server import FD_RESERVE, LEAST
from leasehold.settings import TlsSettings
from servers.certificates import SERVER, Authority, Pair, client_context

DNS, URI, EMAIL = x509.DNSName, x509.UniformResourceIdentifier, x509.RFC822Name
BILLING = "dns:billing.internal"


class Place:
    """An authority, what it issued for a server and for a client, and settings that use it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = Authority(folder)
        self.server = self.ca.server()
        self.client = self.ca.client("billing", DNS("billing.internal"))
        self.spec = TlsSettings(
            address="127.0.0.1",
            port=0,
            certificate_file=self.server.certificate_file,
            key_file=self.server.key_file,
            client_ca_file=self.ca.file,
        )

    def front(self, *, handshake_s: float = 5, **changes: Any) -> Front:
        return Front(self.folder, replace(self.spec, **changes), real_clock(), handshake_s)

    def as_client(self, pair: Pair | None) -> ssl.SSLContext:
        return client_context(self.ca, pair)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@contextmanager
def few_descriptors() -> Iterator[None]:
    """Room for the fewest TLS connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FD_RESERVE + 3 * LEAST, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def refused(front: Front, context: ssl.SSLContext) -> str:
    """How a client learns that it is not let in."""

    def knock() -> None:
        with ExitStack() as held:
            _shaken(held, front.port, context).recv(1)

    with pytest.raises(ssl.SSLError) as caught:
        await asyncio.to_thread(knock)
    return str(caught.value.reason).lower().replace("_", " ")


async def test_a_client_is_who_its_certificate_says(place: Place) -> None:
    issuer = place.ca.fingerprint
    names = [DNS("Billing.Internal"), URI("spiffe://internal/billing"), EMAIL("ops@internal")]
    pair = place.ca.client("many", *names, x509.DirectoryName(place.ca.certificate.subject))
    async with place.front() as front:
        assert await front.ask(place.as_client(pair)) == {
            "status": 200,
            "names": [BILLING, "uri:spiffe://internal/billing", "email:ops@internal"],
            "who": f"tls:san={BILLING},san=email:ops@internal,san=uri:spiffe://internal/billing"
            f",issuer={issuer}",
        }


async def test_the_common_name_is_nobodys_name(place: Place) -> None:
    pair = place.ca.client("billing.internal")
    async with place.front() as front:
        found = await front.ask(place.as_client(pair))
        assert (found["names"], found["who"]) == ([], "tls:address=127.0.0.1")


async def test_without_a_certificate_of_a_trusted_authority_nobody_gets_in(
    place: Place, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "other").client("billing", DNS("billing.internal"))
    expired = place.ca.client("expired", DNS("billing.internal"), expired=True)
    for_servers = place.ca.issue(
        "web", [DNS("billing.internal")], usage=SERVER, expired=False, cn="web"
    )
    async with place.front() as front:
        assert "certificate required" in await refused(front, place.as_client(None))
        assert "unknown ca" in await refused(front, place.as_client(stranger))
        assert "expired" in await refused(front, place.as_client(expired))
        assert "unsupported certificate" in await refused(front, place.as_client(for_servers))
        assert (await front.ask(place.as_client(place.client)))["names"] == [BILLING]


async def test_an_optional_certificate_may_be_missing_and_not_be_wrong(
    place: Place, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "other").client("billing", DNS("billing.internal"))
    async with place.front(client_certificates="optional") as front:
        assert (await front.ask(place.as_client(None)))["who"] == "tls:address=127.0.0.1"
        assert (await front.ask(place.as_client(place.client)))["names"] == [BILLING]
        assert "unknown ca" in await refused(front, place.as_client(stranger))


async def test_tls_1_2_is_not_spoken(place: Place) -> None:
    context = place.as_client(place.client)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with place.front() as front:
        assert "protocol version" in await refused(front, context)


async def test_http_1_1_is_agreed_on_and_no_session_is_resumed(place: Place) -> None:
    context = place.as_client(place.client)
    context.set_alpn_protocols(["h2", "http/1.1"])

    def talk(port: int) -> tuple[str | None, str | None, bool]:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as sock,
        ):
            sock.sendall(b"GET /v1/who HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(4096).startswith(b"HTTP/1.1 200")
            session = sock.session
            return sock.version(), sock.selected_alpn_protocol(), session.has_ticket

    async with place.front() as front:
        assert await asyncio.to_thread(talk, front.port) == ("TLSv1.3", "http/1.1", False)


async def test_an_issuer_is_told_among_several_and_an_intermediate_may_be_trusted_alone(
    place: Place, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    both = tmp_path / "both.pem"
    both.write_bytes(place.ca.pem + other.pem)
    pair = other.client("billing", DNS("billing.internal"))
    async with place.front(client_ca_file=both) as front:
        found = await front.ask(place.as_client(pair))
        assert found["who"] == f"tls:san={BILLING},issuer={other.fingerprint}"


async def test_a_certificate_that_was_taken_back_is_refused(place: Place) -> None:
    other = place.ca.client("reports", DNS("reports.internal"))
    place.ca.file.write_bytes(place.ca.pem + place.ca.revocations(place.client))
    async with place.front() as front:
        assert "revoked" in await refused(front, place.as_client(place.client))
        assert (await front.ask(place.as_client(other)))["names"] == ["dns:reports.internal"]


async def test_who_is_silent_or_slow_holds_up_nobody_and_is_let_go(place: Place) -> None:
    async with place.front(handshake_s=1) as front:
        with ExitStack() as held:
            silent = [_connected(held, front.port) for _ in range(EACH - 1)]
            slow = silent[0]
            slow.sendall(b"\x16\x03\x01\x02")
            assert (await front.ask(place.as_client(place.client)))["status"] == 200
            last, too_many = _connected(held, front.port), _connected(held, front.port)
            assert await asyncio.to_thread(_ended, too_many)
            assert await asyncio.to_thread(_ended, last)
            assert await asyncio.to_thread(_ended, slow)
        assert (await front.ask(place.as_client(place.client)))["status"] == 200


async def test_an_identity_has_so_many_connections_and_others_are_served(place: Place) -> None:
    other = place.ca.client("reports", DNS("reports.internal"))
    context = place.as_client(place.client)
    async with place.front() as front:
        with ExitStack() as held:
            for _ in range(EACH):
                await asyncio.to_thread(_shaken, held, front.port, context)
            found = await front.ask(context)
            assert found["status"] == 429
            assert BILLING in found["errors"][0]
            assert "32 connections open" in found["errors"][0]
            assert (await front.ask(place.as_client(other)))["status"] == 200
        assert await _soon(lambda: front.ask(context))


async def test_a_full_house_pauses_and_the_unix_socket_is_another_house(place: Place) -> None:
    pairs = [place.ca.client(f"c{number}", DNS(f"c{number}")) for number in range(LEAST)]
    with few_descriptors():
        front = place.front()
    async with front:
        with ExitStack() as held:
            for pair in pairs:
                await asyncio.to_thread(_shaken, held, front.port, place.as_client(pair))
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(front.ask(place.as_client(place.client)))
                await asyncio.sleep(0.2)
                assert not waiting.done()
                assert await asyncio.to_thread(_by_unix, front.path)
                held.close()
        assert waiting.result()["status"] == 200


@pytest.mark.parametrize("cork", [0, 1], ids=["after the handshake", "with its end"])
async def test_a_reply_is_handed_over_once_it_is_sent_whatever_the_client_does_then(
    place: Place, cork: int
) -> None:
    context = place.as_client(place.client)

    def read_and_hang_up(port: int) -> None:
        with ExitStack() as held:
            plain = _connected(held, port)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, cork)
            sock = held.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
            sock.sendall(b"GET /v1/who HTTP/1.1\r\nHost: x\r\n\r\n")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
            assert sock.recv(4096).startswith(b"HTTP/1.1 200")

    async with place.front() as front:
        for _ in range(3):
            await asyncio.to_thread(read_and_hang_up, front.port)
    assert front.undelivered == 0


async def test_an_idle_connection_ends_when_another_policy_is_served(place: Place) -> None:
    context = place.as_client(place.client)
    async with place.front() as front:
        with ExitStack() as held:
            by_tls = await asyncio.to_thread(_shaken, held, front.port, context)
            by_unix = held.enter_context(socket.socket(socket.AF_UNIX))
            by_unix.settimeout(5)
            by_unix.connect(str(front.path))
            for sock in (by_tls, by_unix):
                sock.sendall(b"GET /v1/who HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await asyncio.to_thread(sock.recv, 4096)).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.1)
            front.api.end_connections()
            assert await asyncio.to_thread(_ended, by_tls)
            assert await asyncio.to_thread(_ended, by_unix)


def _connected(held: ExitStack, port: int) -> socket.socket:
    return held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))


def _shaken(held: ExitStack, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = _connected(held, port)
    return held.enter_context(context.wrap_socket(plain, server_hostname="localhost"))


def _ended(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


def _by_unix(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(str(path))
        sock.sendall(b"GET /v1/who HTTP/1.1\r\nHost: x\r\n\r\n")
        return sock.recv(4096).startswith(b"HTTP/1.1 200")


async def _soon(ask: Callable[[], Any]) -> bool:
    for _ in range(50):
        if (await ask())["status"] == 200:
            return True
        await asyncio.sleep(0.05)
    return False
