"""The seal by the other ways in: over TLS, and under systemd, which must keep its main process."""

import base64
import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from leasehold.client import Client, Https
from leasehold.client.connection import tls_context
from leasehold.client.endpoint import endpoint_of
from leasehold.errors import Denied, Invalid, Sealed
from leasehold.secret import Secret
from servers.certificates import self_signed
from servers.daemon import Daemon, eventually, policy_for
from servers.operator import audited, leasehold
from servers.over_tls import listen
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
PATH = "database/creds/reader"
OPERATE = "  - {identities: [remote], paths: [leasehold/seal], verbs: [operate]}\n"


def command(where: Mapping[str, str], *words: str, given: str = "") -> tuple[int, str]:
    """The exit code and the words of a command of somebody who comes by TLS."""
    done = subprocess.run(
        [sys.executable, "-m", "leasehold", *words],
        env=dict(where),
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def at(where: Mapping[str, str]) -> Https:
    endpoint = endpoint_of(where, None, None)
    assert isinstance(endpoint, Https)
    return endpoint


def status_by_tls(where: Mapping[str, str], context: ssl.SSLContext) -> int:
    """That of `sys/health`."""
    port = urlsplit(where["VAULT_ADDR"]).port
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
    with closing(connection):
        connection.request("GET", "/v1/sys/health")
        return connection.getresponse().status


def test_a_daemon_is_sealed_and_unsealed_by_tls_and_serves_its_state_there(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    where = listen(daemon, policy_for(postgres))
    policy = (daemon.policies / "policy.yaml").read_text()
    daemon.write_policy(policy + OPERATE)
    client = Client(at(where))
    daemon.start()
    key = (daemon.state / "key").read_text().strip()
    before = client.read(PATH).fields["username"].reveal()
    code, told = command(where, "seal", "--reason", "T-9")
    assert (code, told[:7]) == (0, "sealed:")

    assert client.is_sealed()
    assert status_by_tls(where, tls_context(at(where))) == 503
    with pytest.raises(Sealed, match="leasehold unseal"):
        client.read(PATH)
    stranger = ssl.create_default_context(cafile=where["VAULT_CACERT"])
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        status_by_tls(where, stranger)
    with pytest.raises(Denied, match="presenting the key"):
        client.unseal()
    with pytest.raises(Invalid, match="another key"):
        client.unseal(Secret(base64.b64encode(bytes(32)).decode()))
    assert client.is_sealed()

    code, told = command(where, "unseal", "--key-stdin", given=key)
    assert (code, told[:9]) == (0, "unsealed:")
    assert not client.is_sealed()
    after = client.read(PATH).fields["username"].reveal()
    assert {before, after} == set(postgres.accounts())
    lines = {line["event"]: line for line in audited(daemon)}
    for event in ("daemon-sealed", "daemon-unsealed"):
        assert "caller.internal" in lines[event]["caller"]["who"]
    assert key not in daemon.log.read_text()


def test_a_sealed_daemon_takes_over_new_certificates(
    daemon: Daemon, postgres: PostgresServer, tmp_path: Path
) -> None:
    where = listen(daemon, policy_for(postgres))
    daemon.start()
    assert leasehold(daemon, "seal", "--reason", "T-9").returncode == 0
    options = dict(zip(daemon.flags[::2], daemon.flags[1::2], strict=True))
    certificate, key = self_signed(tmp_path, "localhost")
    shutil.copy(key, options["--tls-key-file"])
    shutil.copy(certificate, options["--tls-certificate-file"])
    renewed = tls_context(replace(at(where), ca=certificate))

    def served() -> bool:
        try:
            return status_by_tls(where, renewed) == 503
        except ssl.SSLError:
            return False

    eventually(served, what="the new certificate")


class Systemd:
    """The socket at which a service tells how it is; every message with who sent it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify.sock"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(str(self.path))
        self._socket.settimeout(20)

    def heard(self) -> tuple[int, list[str]]:
        """The next message: the pid of its sender, and its lines."""
        data, controls, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(12))
        [(_, _, credentials)] = controls
        pid, _, _ = struct.unpack("iII", credentials)
        return pid, data.decode().splitlines()

    def until(self, line: str, pid: int) -> list[str]:
        """The lines up to one that begins so, all of them sent by `pid`."""
        found: list[str] = []
        while not any(each.startswith(line) for each in found):
            sender, lines = self.heard()
            assert sender == pid, lines
            found += lines
        return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    with closing(Systemd(tmp_path)) as listening:
        yield listening


def test_systemd_keeps_its_main_process_and_is_told_that_it_is_ready_sealed_and_unsealed(
    daemon: Daemon, systemd: Systemd
) -> None:
    daemon.env = {**daemon.env, "NOTIFY_SOCKET": str(systemd.path)}
    daemon.start()
    assert daemon.process is not None
    pid = daemon.process.pid
    assert systemd.until("READY=1", pid) == ["READY=1", "STATUS=generation 1 is served"]
    assert leasehold(daemon, "seal", "--reason", "T-9").returncode == 0
    sealing = systemd.until("STATUS=sealed", pid)
    assert sealing == ["STATUS=sealing", "READY=1", "STATUS=sealed; run leasehold unseal"]

    daemon.process.send_signal(signal.SIGHUP)  # Type=notify-reload waits for both
    began, when, over = systemd.until("READY=1", pid)
    assert (began, over) == ("RELOADING=1", "READY=1")
    assert re.fullmatch(r"MONOTONIC_USEC=\d+", when)
    assert abs(int(when.partition("=")[2]) - time.monotonic_ns() // 1000) < 20_000_000

    assert leasehold(daemon, "unseal").returncode == 0
    assert systemd.until("STATUS=generation", pid)[0] == "READY=1"
    assert (daemon.process.poll(), daemon.request("GET", f"/v1/{PATH}").status) == (None, 200)
    assert daemon.stop() == 0
    assert systemd.until("STOPPING=1", pid) == ["STOPPING=1"]


def test_a_sealed_daemon_that_systemd_stops_says_so_and_stays_sealed(
    daemon: Daemon, systemd: Systemd
) -> None:
    daemon.env = {**daemon.env, "NOTIFY_SOCKET": str(systemd.path)}
    daemon.start()
    assert daemon.process is not None
    assert leasehold(daemon, "seal", "--reason", "T-9").returncode == 0
    assert daemon.stop() == 0
    systemd.until("STOPPING=1", daemon.process.pid)
    daemon.start(wait=False)
    systemd.until("STATUS=sealed", daemon.process.pid)
    eventually(lambda: os.path.exists(daemon.socket), what="the socket")
    assert Client(daemon.socket).is_sealed()
