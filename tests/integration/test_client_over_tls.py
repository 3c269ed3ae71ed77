"""The command line and the clients against the daemon's own TLS listener."""

import json
import os
import subprocess
import sys

import pytest

from leasehold.client import Client, Unreachable
from leasehold.client.aio import AsyncClient
from leasehold.errors import Denied
from servers.daemon import Daemon, policy_for
from servers.over_tls import listen
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

PATH = "database/creds/reader"


@pytest.fixture
def caller(
    daemon: Daemon, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of a caller on another host; the daemon listens."""
    told = listen(daemon, policy_for(postgres))
    daemon.start()
    for name, text in told.items():
        monkeypatch.setenv(name, text)
    return told


async def test_a_lease_from_issue_to_revoke(
    caller: dict[str, str], postgres: PostgresServer
) -> None:
    blocking, awaited = Client(), AsyncClient()
    issued = await awaited.read(PATH, ttl="10m")
    assert postgres.can_log_in(*(issued.fields[key].reveal() for key in ("username", "password")))
    assert blocking.renew(issued.lease_id, "30m").ttl_s == 1800
    assert (await awaited.lookup(issued.lease_id))["ttl"] > 1700
    with blocking.credential(PATH) as credential:
        assert credential.lease_id != issued.lease_id
    assert await awaited.revoke(issued.lease_id)
    assert postgres.accounts() == []
    with pytest.raises(Denied, match="leasehold explain"):
        blocking.status()


def test_a_command_finds_the_daemon_by_the_environment(caller: dict[str, str]) -> None:
    command = [sys.executable, "-m", "leasehold", "read", PATH]
    read = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, timeout=60)
    assert read.returncode == 0, read.stderr
    assert json.loads(read.stdout)["lease_duration"] == 3600


def test_without_a_certificate_the_line_says_what_to_set(
    caller: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VAULT_CLIENT_CERT")
    monkeypatch.delenv("VAULT_CLIENT_KEY")
    with pytest.raises(Unreachable, match="set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY"):
        Client().read(PATH)
