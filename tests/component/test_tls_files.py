"""What the TLS listener will not serve with, and how it takes over files that changed."""

import asyncio
import os
import shutil
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from fakes.front import Front, real_clock
from leasehold.api.tls_files import load
from leasehold.api.tls_listening import TlsListener
from leasehold.errors import ConfigError
from leasehold.settings import TlsSettings
from servers.certificates import Authority, Pair, client_context, new_key, write_key

NOW = real_clock().wall(real_clock().now_ms())


class Place:
    """Good files, each by its usual name, to be spoilt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.server = self.authority.server()
        self.certificate, self.key, self.ca = (
            folder / name for name in ("tls.pem", "tls.key", "ca.pem")
        )
        self.serve(self.server)
        shutil.copy(self.authority.file, self.ca)
        self.spec = TlsSettings(
            address="127.0.0.1",
            port=0,
            certificate_file=self.certificate,
            key_file=self.key,
            client_ca_file=self.ca,
        )

    def serve(self, pair: Pair) -> None:
        """Put another pair in place."""
        shutil.copy(pair.key_file, self.key)
        shutil.copy(pair.certificate_file, self.certificate)
        self.key.chmod(0o600)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def refusal(place: Place, **changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load(replace(place.spec, **changes), NOW)
    words = str(caught.value)
    assert "\n" not in words
    return words


def with_passphrase(place: Place) -> None:
    write_key(place.key, new_key(), b"secret")
    place.key.chmod(0o600)


SPOILT: list[tuple[str, Callable[[Place], object], str]] = [
    ("open-key", lambda it: it.key.chmod(0o644), "tls.key: has mode 0644; run chmod 0600"),
    ("open-ca", lambda it: it.ca.chmod(0o666), "ca.pem: has mode 0666; run chmod go-w"),
    ("open-certificate", lambda it: it.certificate.chmod(0o662), "run chmod go-w"),
    ("no-key", lambda it: it.key.unlink(), "tls.key: cannot be read (No such file or directory)"),
    ("no-ca", lambda it: it.ca.unlink(), "ca.pem: cannot be read (No such file or directory)"),
    ("fifo", lambda it: (it.key.unlink(), os.mkfifo(it.key, 0o600)), "is not a regular file"),
    ("empty-ca", lambda it: it.ca.write_text(""), "ca.pem: holds no certificate in PEM"),
    (
        "empty-key",
        lambda it: it.key.write_text(""),
        "tls.key: holds no private key in PEM, or of an unknown kind",
    ),
    ("swapped", lambda it: it.certificate.write_text("x"), "tls.pem: holds no certificate in PEM"),
    ("passphrase", with_passphrase, "tls.key: the key has a passphrase"),
    ("other-key", lambda it: write_key(it.key, new_key()), "is not the certificate of the key"),
    (
        "expired",
        lambda it: it.serve(it.authority.server("old", expired=True)),
        "tls.pem: expired on ",
    ),
    (
        "expired-ca",
        lambda it: it.ca.write_bytes(Authority(it.folder, "old", expired=True).pem),
        "ca.pem: every authority in it has expired",
    ),
    (
        "no-authority",
        lambda it: shutil.copy(it.server.certificate_file, it.ca),
        "ca.pem: CN=localhost is no authority; allowed are certificates with CA:TRUE",
    ),
]


@pytest.mark.parametrize(
    ("spoil", "words"), [pytest.param(spoil, words, id=name) for name, spoil, words in SPOILT]
)
def test_what_cannot_be_served_is_refused_in_one_line(
    place: Place, spoil: Callable[[Place], object], words: str
) -> None:
    load(place.spec, NOW)
    spoil(place)
    assert words in refusal(place)


def test_a_certificate_that_is_not_valid_yet_is_refused(place: Place) -> None:
    with pytest.raises(ConfigError, match="is not valid before"):
        load(place.spec, NOW - timedelta(days=9))


def test_one_authority_that_is_in_force_is_enough(place: Place) -> None:
    old = Authority(place.folder, "old", expired=True)
    place.ca.write_bytes(old.pem + place.authority.pem)
    assert len(load(place.spec, NOW).authorities) == 2


def test_an_address_that_is_taken_or_not_here_is_told(place: Place) -> None:
    listener = TlsListener(place.spec, real_clock())
    taken = replace(place.spec, port=listener.socket.getsockname()[1])
    try:
        with pytest.raises(ConfigError, match=r"cannot be bound \(Address already in use"):
            TlsListener(taken, real_clock())
        with pytest.raises(ConfigError, match=r"cannot be bound \(Cannot assign"):
            TlsListener(replace(place.spec, address="192.0.2.1"), real_clock())
    finally:
        listener.close()


def knock(held: ExitStack, front: Front, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A connection on which one request was answered."""
    plain = held.enter_context(socket.create_connection(("127.0.0.1", front.port), timeout=5))
    sock = held.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
    answered(sock)
    return sock


def answered(sock: ssl.SSLSocket) -> None:
    sock.sendall(b"GET /v1/who HTTP/1.1\r\nHost: x\r\n\r\n")
    assert sock.recv(4096).startswith(b"HTTP/1.1 200")


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not claim():  # noqa: ASYNC110 (a test sees what a user sees)
            await asyncio.sleep(0.02)


async def test_new_files_serve_new_connections_and_old_ones_keep_theirs(place: Place) -> None:
    client = client_context(place.authority, place.authority.client("billing"))
    other = Authority(place.folder, "other")
    async with Front(place.folder, place.spec, real_clock()) as front:
        with ExitStack() as held:
            before = await asyncio.to_thread(knock, held, front, client)
            assert before.getpeercert(True) == der(place.server)
            first, renewed = front.tls.context, place.authority.server("renewed")
            place.serve(renewed)
            await until(lambda: front.tls.context is not first)  # without being asked
            after = await asyncio.to_thread(knock, held, front, client)
            assert after.getpeercert(True) == der(renewed)
            second = front.tls.context
            shutil.copy(other.file, place.ca)
            front.tls.look_soon()
            await until(lambda: front.tls.context is not second)
            with pytest.raises(ssl.SSLError):
                await asyncio.to_thread(knock, held, front, client)
            newcomer = client_context(place.authority, other.client("billing"))
            await asyncio.to_thread(knock, held, front, newcomer)
            await asyncio.to_thread(answered, before)
        assert front.api.troubles() == []


async def test_files_that_are_no_good_leave_the_old_ones_and_a_line(place: Place) -> None:
    client = client_context(place.authority, place.authority.client("billing"))
    async with Front(place.folder, place.spec, real_clock()) as front:
        with ExitStack() as held:
            write_key(place.key, new_key())
            front.tls.look_soon()
            await until(lambda: bool(front.api.troubles()))
            [line] = front.api.troubles()
            assert line.startswith("TLS: new files are not served: ")
            assert line.endswith(f"is not the certificate of the key {place.key}")
            sock = await asyncio.to_thread(knock, held, front, client)
            assert sock.getpeercert(True) == der(place.server)
            place.serve(place.server)
            front.tls.look_soon()
            await until(lambda: not front.api.troubles())


def test_a_certificate_that_expires_while_it_is_served_is_told(place: Place) -> None:
    clock = real_clock()
    listener = TlsListener(place.spec, clock)
    try:
        assert listener.troubles() == []
        clock.advance(s=2 * 86_400)
        assert listener.troubles() == [f"TLS: the certificate {place.certificate} has expired"]
    finally:
        listener.close()


def der(pair: Pair) -> bytes:
    return pair.certificate.public_bytes(Encoding.DER)
