"""A lease that is bound to a connection ends with it, and that serves for nothing else."""

import asyncio
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import pytest

from integration.test_bound_leases import WITHIN_S, Holder, binding, stands
from leasehold.api.holds import DEAD_S
from leasehold.client import Client, Https
from leasehold.client.aio import AsyncClient
from leasehold.client.connection import tls_context
from leasehold.client.endpoint import endpoint_of
from leasehold.errors import Invalid, LimitReached
from leasehold.holding import RETRY_S
from servers.daemon import Daemon, UnixConnection, eventually
from servers.operator import audited
from servers.over_tls import listen
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
PATH = "database/creds/reader"
TCP_REPAIR = 19
"""Has a socket end without a FIN (tcp(7) knows it not; linux/tcp.h)."""
HOLD = """
import os, sys
from leasehold.client import Client, Https
with Client().credential("database/creds/reader") as credential:
    print(credential.fields["username"].reveal(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def bound(daemon: Daemon, postgres: PostgresServer) -> Daemon:
    daemon.write_policy(binding(postgres, "connection"))
    return daemon.start()


@contextlib.contextmanager
def connected(daemon: Daemon) -> Iterator[UnixConnection]:
    with contextlib.closing(UnixConnection(daemon.socket, 30)) as connection:
        yield connection


def ask(
    connection: http.client.HTTPConnection, path: str = PATH, **headers: str
) -> tuple[int, dict]:
    connection.request("GET", f"/v1/{path}", headers=headers)
    reply = connection.getresponse()
    return reply.status, json.loads(reply.read())


def https_of(where: Mapping[str, str]) -> Https:
    endpoint = endpoint_of(where, None, None)
    assert isinstance(endpoint, Https)
    return endpoint


class Held:
    """A process that holds a credential by the Python client, and sits there."""

    def __init__(self, **env: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", HOLD],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.child.stdout is not None
        self.account = self.child.stdout.readline().strip()
        assert self.account

    kill = Holder.kill


def cause(daemon: Daemon, account: str) -> str:
    """Why it ended, which is written once it is gone."""

    def ended() -> list[dict]:
        return [line for line in audited(daemon) if line["event"] == "revoked"]

    [told] = eventually(ended, 5, "the end of the lease")
    assert told["account"] == account
    return str(told["cause"])


def test_a_killed_process_loses_what_its_connection_held_at_once(
    bound: Daemon, postgres: PostgresServer
) -> None:
    where = {"VAULT_ADDR": f"unix://{bound.socket}"}
    killed, other = Held(**where), Held(**where)
    assert stands(postgres, killed.account)
    killed.kill()
    eventually(lambda: not stands(postgres, killed.account), WITHIN_S, "the end of the account")
    assert cause(bound, killed.account) == "holder-ended"
    assert stands(postgres, other.account)
    other.kill()


def test_by_tls_it_is_so_too(daemon: Daemon, postgres: PostgresServer) -> None:
    where = listen(daemon, binding(postgres, "connection"))
    daemon.start()
    held = Held(**where)
    assert stands(postgres, held.account)
    held.kill()
    eventually(lambda: not stands(postgres, held.account), WITHIN_S, "the end of the account")
    assert cause(daemon, held.account) == "holder-ended"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to end a connection without a word")
def test_a_host_that_is_gone_without_a_word_is_found_dead(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    where = listen(daemon, binding(postgres, "connection"))
    daemon.start()
    endpoint = https_of(where)
    port = urlsplit(where["VAULT_ADDR"]).port
    connection = http.client.HTTPSConnection("localhost", port, context=tls_context(endpoint))
    _, body = ask(connection)
    account = body["data"]["username"]
    time.sleep(0.5)  # until everything is acknowledged, or it would be sent again
    connection.sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    connection.sock.close()
    time.sleep(2)
    assert stands(postgres, account), "nobody has said that it is gone"
    eventually(lambda: not stands(postgres, account), DEAD_S, "the end of the account")


def test_a_held_connection_may_rest_and_outlives_a_change_of_policy(
    bound: Daemon, postgres: PostgresServer
) -> None:
    with connected(bound) as holding, connected(bound) as idle:
        status, body = ask(holding)
        assert (status, ask(idle, "sys/health")[0]) == (200, 200)
        account = body["data"]["username"]
        bound.write_policy(binding(postgres, "connection") + "# another\n")
        Client(bound.socket).apply(None)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(idle, "sys/health")
        time.sleep(16)  # longer than another may rest
        assert stands(postgres, account)
        Client(bound.socket).renew(body["lease_id"], 120)


def test_a_held_connection_refuses_every_further_request_and_holds_on(
    bound: Daemon, postgres: PostgresServer
) -> None:
    with connected(bound) as connection:
        _, body = ask(connection)
        for path in (PATH, "sys/health", "leasehold/whoami"):
            status, told = ask(connection, path)
            assert (status, told["code"]) == (400, "invalid")
            assert told["errors"] == [
                "this connection only holds leases; connect anew for another request"
            ]
        connection.request("PUT", "/v1/sys/leases/renew", json.dumps({"lease_id": "x" * 4_000}))
        assert connection.getresponse().read()
        assert stands(postgres, body["data"]["username"])
        assert len(postgres.accounts()) == 1


@pytest.mark.parametrize("how", ["closes", "HTTP/1.0", "HTTP/1.0 and keeps"])
def test_a_request_that_does_not_keep_its_connection_gets_nothing(
    bound: Daemon, postgres: PostgresServer, how: str
) -> None:
    with connected(bound) as connection:
        headers = {"closes": {"Connection": "close"}, "HTTP/1.0": {}}.get(
            how, {"Connection": "keep-alive"}
        )
        if how != "closes":
            connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"
        status, told = ask(connection, **headers)
    assert status == 400
    assert told["errors"] == [
        "leases of this role end with the connection that asks; the request must leave it open:"
        " HTTP/1.1, without Connection: close"
    ]
    assert not postgres.accounts()
    assert "intended" not in [line["event"] for line in audited(bound)]


def test_by_a_token_there_is_none(bound: Daemon) -> None:
    issued = Client(bound.socket).login()
    with pytest.raises(Invalid, match="asked for without a token"):
        Client(bound.socket, token=issued.text).read(PATH)


def test_a_block_of_the_client_is_the_life_of_the_lease(
    bound: Daemon, postgres: PostgresServer
) -> None:
    with Client(bound.socket).holding(PATH) as issued:
        assert stands(postgres, issued.fields["username"].reveal())
    eventually(lambda: not postgres.accounts(), WITHIN_S, "the end of the account")

    async def block() -> None:
        async with AsyncClient(bound.socket).holding(PATH) as issued:
            await asyncio.sleep(0.3)
            assert stands(postgres, issued.fields["username"].reveal())
        async with AsyncClient(bound.socket).credential(PATH) as credential:
            await asyncio.sleep(0.3)
            assert stands(postgres, credential.fields["username"].reveal())

    asyncio.run(block())
    eventually(lambda: not postgres.accounts(), WITHIN_S, "the end of the accounts")


def test_a_read_that_hangs_up_has_its_lease_for_no_longer(
    bound: Daemon, postgres: PostgresServer
) -> None:
    Client(bound.socket).read(PATH)
    eventually(lambda: not postgres.accounts(), WITHIN_S, "the end of the account")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_daemon_that_ends_ends_every_connection_and_what_it_held(
    bound: Daemon, postgres: PostgresServer, how: str
) -> None:
    with connected(bound) as connection:
        _, body = ask(connection)
        account = body["data"]["username"]
        if how == "stop":
            assert bound.stop() == 0
        else:
            bound.kill()
        assert connection.sock.recv(1) == b""
        bound.start()
        eventually(lambda: not stands(postgres, account), 10, "the end of the account")
        assert cause(bound, account) == "holder-ended"


def test_a_caller_holds_sixteen_connections_at_most(
    bound: Daemon, postgres: PostgresServer
) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(Client(bound.socket).holding(PATH))
        with pytest.raises(LimitReached, match="has 16 connections that hold leases; close some"):
            Client(bound.socket).read(PATH)
        assert len(postgres.accounts()) == 16
    eventually(lambda: not postgres.accounts(), 10, "the end of all")
    with Client(bound.socket).holding(PATH):
        pass


def test_who_hangs_up_before_the_reply_takes_up_no_place(
    bound: Daemon, postgres: PostgresServer
) -> None:
    asked = f"GET /v1/{PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    for number in range(24):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(bound.socket))
            sock.send(asked)
            time.sleep(0.005 * (number % 4))
    eventually(lambda: not postgres.accounts(), what="the end of what nobody got")
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(Client(bound.socket).holding(PATH))


def test_an_issue_that_fails_leaves_the_connection_for_other_requests(
    bound: Daemon, postgres: PostgresServer
) -> None:
    with connected(bound) as connection:
        postgres.stop()
        try:
            assert ask(connection)[0] in (502, 503)
            assert ask(connection, "sys/health")[0] == 200
        finally:
            postgres.start()

        def issued() -> str:
            status, body = ask(connection)
            return str(body["data"]["username"]) if status == 200 else ""

        account = eventually(issued, 14, "the server")
        time.sleep(RETRY_S + 0.5)
        assert stands(postgres, account), "the failure before ends nothing"
