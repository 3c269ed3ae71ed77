"""The driver on the wire: nothing goes to whom it should not, and a refusal is told as one."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.tds import LOGIN, NONE, OFF, ON, PRELOGIN, REQUIRED, TdsServer
from leasehold.plugin import EngineTemporary
from leasehold_plugins.mssql.address import Address
from leasehold_plugins.mssql.link import Lost, SqlError
from leasehold_plugins.mssql.tds import Tds, dial
from servers.certificates import self_signed

PASSWORD = "correct-horse"
Files = tuple[Path, Path]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return self_signed(tmp_path, "localhost")


@pytest.fixture
def servers(files: Files) -> Iterator[list[TdsServer]]:
    started: list[TdsServer] = []
    yield started
    for server in started:
        server.close()


def serving(servers: list[TdsServer], files: Files, encryption: int = ON) -> TdsServer:
    servers.append(TdsServer(files, encryption, PASSWORD))
    return servers[-1]


def log_in(
    server: TdsServer, ca: Path | None, host: str = "localhost", password: str = PASSWORD
) -> Tds:
    where = Address(host=host, port=server.port, database="master", ssl_ca=str(ca) if ca else None)
    return dial(where, "leasehold", password, None, 1)


@pytest.mark.parametrize("encryption", [ON, REQUIRED])
def test_a_login_and_what_follows_go_through_tls(
    servers: list[TdsServer], files: Files, encryption: int
) -> None:
    server = serving(servers, files, encryption)
    link = log_in(server, files[0])
    assert link.execute("SELECT 1; " + "-- long enough for several packets\n" * 500) == []
    assert link.is_alive()
    link.close()
    assert server.packets[0] == PRELOGIN
    assert LOGIN in server.packets
    assert len(server.heard) < 100


def test_the_driver_writes_no_statement_into_the_log(
    servers: list[TdsServer], files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    link = log_in(serving(servers, files), files[0])
    link.execute("CREATE USER x WITH PASSWORD = 'hunter2'")
    link.close()
    assert "hunter2" not in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("encryption", [OFF, NONE])
def test_a_server_without_tls_is_sent_nothing(
    servers: list[TdsServer], files: Files, encryption: int
) -> None:
    server = serving(servers, files, encryption)
    with pytest.raises(EngineTemporary, match="offers no TLS, so it was sent nothing"):
        log_in(server, files[0])
    assert server.packets == [PRELOGIN]


def test_a_certificate_that_nobody_vouches_for_is_refused(
    servers: list[TdsServer], files: Files, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other, _ = self_signed(tmp_path / "other", "localhost")
    server = serving(servers, files)
    with pytest.raises(EngineTemporary, match="certificate is not trusted here"):
        log_in(server, other)
    assert LOGIN not in server.packets


def test_a_certificate_for_another_host_is_refused(servers: list[TdsServer], files: Files) -> None:
    server = serving(servers, files)
    with pytest.raises(EngineTemporary, match="for another host"):
        log_in(server, files[0], host="127.0.0.1")
    assert LOGIN not in server.packets


@pytest.mark.parametrize("encryption", [ON, NONE])
def test_a_refused_login_is_told_by_its_number_and_tried_once(
    servers: list[TdsServer], files: Files, encryption: int
) -> None:
    server = serving(servers, files, encryption)
    with pytest.raises(SqlError) as told:
        log_in(server, files[0] if encryption == ON else None, password="wrong")
    assert told.value.number == 18456
    assert "hunter2" not in str(told.value)
    assert server.packets.count(LOGIN) == 1


def test_a_redirection_is_followed_once_and_with_tls(
    servers: list[TdsServer], files: Files
) -> None:
    there, gateway = serving(servers, files), serving(servers, files)
    gateway.routed_to = there.port
    log_in(gateway, files[0]).close()
    assert LOGIN in there.packets
    assert len(there.heard) < 100
    there.routed_to = gateway.port
    with pytest.raises(EngineTemporary, match="redirects from server to server"):
        log_in(gateway, files[0])


def test_a_redirection_to_a_server_without_tls_sends_it_nothing(
    servers: list[TdsServer], files: Files
) -> None:
    there, gateway = serving(servers, files, NONE), serving(servers, files)
    gateway.routed_to = there.port
    with pytest.raises(EngineTemporary, match="offers no TLS"):
        log_in(gateway, files[0])
    assert there.packets == [PRELOGIN]


def test_a_connection_that_is_cut_off_is_lost(servers: list[TdsServer], files: Files) -> None:
    link = log_in(serving(servers, files), files[0])
    link.abort()
    with pytest.raises(Lost):
        link.execute("SELECT 1")
    assert not link.is_open()
    link.close()


@pytest.mark.parametrize("encryption", [OFF, ON, REQUIRED])
def test_a_server_on_this_host_that_wants_tls_says_what_to_name(
    servers: list[TdsServer], files: Files, encryption: int
) -> None:
    server = serving(servers, files, encryption)
    with pytest.raises(EngineTemporary, match="name its authority as ssl_ca"):
        log_in(server, None)
    assert server.packets == [PRELOGIN]


def test_nobody_there_is_temporary(servers: list[TdsServer], files: Files) -> None:
    server = serving(servers, files)
    server.close()
    with pytest.raises(EngineTemporary, match="SQL Server cannot be reached"):
        log_in(server, files[0])
