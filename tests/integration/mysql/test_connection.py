"""Which server it is, that it is the right one, and that nothing waits for it for ever."""

import asyncio
import socket
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leasehold.plugin import Account, EnginePermanent, EngineTemporary, Secret, TargetChanged
from leasehold.plugin.contract import REMOVED
from leasehold_plugins.mysql import MysqlEngine
from servers.certificates import self_signed
from servers.mysql import MysqlServer, PrivateMariadb
from servers.mysql_engine import READER, account_for, issue, opened

pytestmark = pytest.mark.servers


async def test_another_server_is_never_taken_for_the_same(engine: MysqlEngine) -> None:
    account = Account(name="lhtest_x", target="mysql:another", role={})
    with pytest.raises(TargetChanged):
        await engine.revoke(account)
    with pytest.raises(TargetChanged):
        await issue(engine, account)
    with pytest.raises(TargetChanged):
        await engine.renew(account, datetime.now(UTC))


async def test_servers_of_one_cluster_are_one_target(mysql: MysqlServer) -> None:
    async with opened(mysql, cluster="payments") as engine:
        assert engine.target_id == "mysql:cluster:payments"


async def test_connections_are_a_ceiling_that_everybody_uses(mysql: MysqlServer) -> None:
    async with opened(mysql) as engine:
        with ExitStack() as others:
            for _ in range(5):
                others.enter_context(mysql.connect())
            [found] = await engine.ceilings({"reader": READER})
    [(most,)] = mysql.execute("SELECT @@global.max_connections")
    assert (found.name, found.most, found.roles) == ("connections", most, None)
    assert 5 < found.used < most


async def test_a_wrong_password_of_the_administrator_is_told_apart(mysql: MysqlServer) -> None:
    with pytest.raises(EnginePermanent, match="refuses the administrator's login"):
        async with opened(mysql, password=Secret("wrong")):
            pass


async def test_the_servers_certificate_is_checked_with_its_name(
    mariadb: PrivateMariadb, tmp_path: Path
) -> None:
    trusted = f"?ssl_ca={mariadb.authority}"
    async with opened(mariadb, url=f"mysql://localhost:{mariadb.port}/app{trusted}") as engine:
        assert engine.target_id
    other, _ = self_signed(tmp_path, "localhost")
    for url in (f"{mariadb.url}{trusted}", f"mysql://localhost:{mariadb.port}?ssl_ca={other}"):
        with pytest.raises(EngineTemporary, match="certificate is not trusted here"):
            async with opened(mariadb, url=url):
                pass


async def test_a_server_that_offers_no_tls_is_sent_nothing(mariadb: PrivateMariadb) -> None:
    """A relay that takes TLS out of the server's greeting, as somebody in between would."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        heard = asyncio.create_task(asyncio.to_thread(greet_without_tls, listener, mariadb.port))
        url = f"mysql://localhost:{port}/?ssl_ca={mariadb.authority}"
        with pytest.raises(EngineTemporary, match="MySQL offers no TLS"):
            async with opened(mariadb, url=url):
                pass
        assert await heard == b""


def greet_without_tls(listener: socket.socket, port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as server:
        greeting = bytearray(server.recv(4096))
    capabilities = greeting.index(0, 5) + 1 + 4 + 8 + 1
    greeting[capabilities + 1] &= ~0x08
    client, _ = listener.accept()
    with client:
        client.sendall(greeting)
        return client.recv(4096)


async def test_the_unix_socket_needs_no_tls(mariadb: PrivateMariadb) -> None:
    url = f"mysql://localhost?unix_socket={mariadb.socket}"
    async with opened(mariadb, url=url, username="root", password=Secret("")) as engine:
        account = account_for(engine, {**READER, "host": "localhost"})
        mariadb.execute("GRANT app_readonly TO root@localhost WITH ADMIN OPTION")
        issued = await issue(engine, account)
        assert await engine.login(issued.credential)
        assert await engine.revoke(account) == REMOVED


async def test_a_restart_of_the_server_costs_no_issue(mariadb: PrivateMariadb) -> None:
    async with opened(mariadb) as engine:
        before, after = (account_for(engine) for _ in range(2))
        await issue(engine, before)
        await asyncio.to_thread(mariadb.stop)
        await asyncio.to_thread(mariadb.start)
        await issue(engine, after)
        assert await engine.revoke_many([before, after]) == [REMOVED, REMOVED]


async def test_a_call_that_is_given_up_frees_its_thread_and_may_still_come_late(
    mysql: MysqlServer,
) -> None:
    async with opened(mysql, max_connections=2) as engine:
        late, after = (account_for(engine) for _ in range(2))
        with mysql.connect() as other:
            other.cursor().execute("FLUSH TABLES WITH READ LOCK")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await issue(engine, late)
            other.cursor().execute("UNLOCK TABLES")
        async with asyncio.timeout(3):
            await issue(engine, after)
            assert await engine.revoke_many([late, after]) == [REMOVED, REMOVED]


async def test_what_was_given_up_makes_no_account_after_it_was_taken_away(
    mysql: MysqlServer,
) -> None:
    async with opened(mysql) as engine:
        late = account_for(engine)
        with mysql.connect() as other:
            other.cursor().execute("FLUSH TABLES WITH READ LOCK")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await issue(engine, late)
            await asyncio.sleep(0.1)  # its thread has seen that it was cut off
            assert await engine.revoke(late) == REMOVED
            other.cursor().execute("UNLOCK TABLES")
        await asyncio.sleep(0.3)
        assert late.name not in mysql.accounts()


async def test_the_server_gives_up_before_we_do(mysql: MysqlServer) -> None:
    async with opened(mysql, statement_timeout=1) as engine:
        account = account_for(engine)
        with mysql.connect() as other:
            other.cursor().execute("FLUSH TABLES WITH READ LOCK")
            with pytest.raises(EngineTemporary, match=r"\((1205|1969)\)"):
                await issue(engine, account)
            other.cursor().execute("UNLOCK TABLES")
    assert account.name not in mysql.accounts()
