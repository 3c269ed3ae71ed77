"""The clients over TLS, blocking and for asyncio: what is trusted, what is shown, what is told."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.listener import Listener, listening
from leasehold.client import Client, Https, IssuedCredential, Unreachable
from leasehold.client.aio import AsyncClient
from leasehold.errors import ConfigError, Denied, LeaseholdError
from leasehold.secret import Secret
from servers.certificates import self_signed

Read = Callable[..., IssuedCredential]
FAREWELL_S = 0.1
"""TLS ends a connection by a message each way; a loop that ends before leaves it open."""
PATH = "database/creds/reader"


def blocking(endpoint: Https, timeout_s: float = 5) -> IssuedCredential:
    return Client(endpoint, timeout_s).read(PATH)


def awaited(endpoint: Https, timeout_s: float = 5) -> IssuedCredential:
    async def read() -> IssuedCredential:
        try:
            return await AsyncClient(endpoint, timeout_s).read(PATH)
        finally:
            await asyncio.sleep(FAREWELL_S)

    return asyncio.run(read())


both = pytest.mark.parametrize("read", [blocking, awaited])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tls")
    for name in ("daemon", "caller"):
        (made / name).mkdir()
        self_signed(made / name, "localhost")
    return made


def pair(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / name / "certificate.pem", folder / name / "certificate.key"


def at(listener: Listener, folder: Path) -> Https:
    return Https("localhost", listener.port, ca=pair(folder, "daemon")[0])


@both
def test_a_token_is_sent_to_a_daemon_that_is_trusted(read: Read, folder: Path) -> None:
    with listening(pair(folder, "daemon")) as listener:
        read(at(listener, folder))
        issued = read(replace(at(listener, folder), token=Secret("hvs.1")))
    assert issued.fields["password"] == Secret("hunter2")
    assert [headers.get("x-vault-token") for headers in listener.headers] == [None, "hvs.1"]


@both
def test_a_daemon_that_is_not_trusted_gets_no_request(read: Read, folder: Path) -> None:
    with listening(pair(folder, "daemon")) as listener:
        endpoint = at(listener, folder)
        for wrong in (
            replace(endpoint, ca=None),
            replace(endpoint, ca=pair(folder, "caller")[0]),
            replace(endpoint, host="127.0.0.1"),
        ):
            with pytest.raises(Unreachable, match="certificate is refused"):
                read(replace(wrong, token=Secret("hvs.1")))
    assert listener.headers == []


@both
def test_nothing_older_than_tls_1_3_is_spoken(read: Read, folder: Path) -> None:
    old = listening(pair(folder, "daemon"), newest=ssl.TLSVersion.TLSv1_2)
    with old as listener, pytest.raises(Unreachable, match=r"no TLS 1\.3 connection"):
        read(at(listener, folder))
    assert listener.headers == []


@both
def test_a_client_certificate_is_shown_and_its_lack_is_told(read: Read, folder: Path) -> None:
    certificate, key = pair(folder, "caller")
    with listening(pair(folder, "daemon"), trusted=certificate) as listener:
        endpoint = at(listener, folder)
        assert read(replace(endpoint, certificate=certificate, key=key)).lease_id
        with pytest.raises(Unreachable, match="client certificate, set VAULT_CLIENT_CERT"):
            read(endpoint)


@both
def test_files_that_are_not_what_they_should_be_are_named(
    read: Read, folder: Path, tmp_path: Path
) -> None:
    junk, (certificate, key) = tmp_path / "junk.pem", pair(folder, "caller")
    junk.write_text("junk")
    nowhere = Https("localhost", 1)
    for endpoint, words in (
        (replace(nowhere, ca=tmp_path / "none.pem"), "VAULT_CACERT: .*none.pem: No such file"),
        (replace(nowhere, ca=junk), "VAULT_CACERT: .*junk.pem: not a PEM file"),
        (replace(nowhere, certificate=junk, key=key), "VAULT_CLIENT_CERT.*not a PEM file"),
        (
            replace(nowhere, certificate=certificate, key=pair(folder, "daemon")[1]),
            "do not belong together",
        ),
    ):
        with pytest.raises(ConfigError, match=words):
            read(endpoint)


@both
def test_nobody_there_is_one_line(read: Read, folder: Path) -> None:
    for endpoint, words in (
        (Https("localhost", 1), "https://localhost:1: nobody listens"),
        (Https("no-such-host.invalid"), "https://no-such-host.invalid:443: no such host"),
    ):
        with pytest.raises(Unreachable, match=words) as told:
            read(endpoint)
        assert "\n" not in str(told.value)


@both
def test_a_redirection_is_not_followed(read: Read, folder: Path) -> None:
    with listening(pair(folder, "daemon")) as listener:
        listener.status = 307
        with pytest.raises(LeaseholdError, match="status 307"):
            read(replace(at(listener, folder), token=Secret("hvs.1")))
    assert len(listener.headers) == 1


@both
def test_a_refusal_is_its_error(read: Read, folder: Path) -> None:
    with listening(pair(folder, "daemon")) as listener:
        listener.status, listener.reply = 403, {"errors": ["permission denied"], "code": "denied"}
        with pytest.raises(Denied, match="permission denied"):
            read(at(listener, folder))


@both
def test_another_program_behind_the_address_is_told(read: Read, folder: Path) -> None:
    with listening(pair(folder, "daemon")) as listener:
        listener.reply = ["something"]
        with pytest.raises(Unreachable, match="another program"):
            read(at(listener, folder))


def test_the_loop_goes_on_while_the_daemon_thinks(folder: Path) -> None:
    async def ticks_while_it_thinks() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(tick())
            await AsyncClient(at(listener, folder)).read(PATH)
            ticking.cancel()
        return ticks

    with listening(pair(folder, "daemon")) as listener:
        listener.delay_s = 0.5
        assert asyncio.run(ticks_while_it_thinks()) >= 10


@both
def test_a_daemon_that_does_not_answer_in_time_is_told(read: Read, folder: Path) -> None:
    with listening(pair(folder, "daemon")) as listener:
        listener.delay_s = 0.25
        with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
            read(at(listener, folder), 0.2)
