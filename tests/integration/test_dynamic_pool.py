"""Dynamic pools under load on a real daemon and a real PostgreSQL: swaps that nobody notices."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import text

from leasehold.client import Client
from leasehold.client.adapters.psycopg import AsyncPsycopgPool, PsycopgPool
from leasehold.client.adapters.sqlalchemy import SqlalchemyEngine
from leasehold.client.aio import AsyncClient, AsyncDynamicPool
from leasehold.client.pool import DynamicPool
from leasehold.client.term import CredentialLost
from leasehold.errors import Unavailable
from servers.daemon import Daemon, eventually, policy_for
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

PATH = "database/creds/swift"
SWIFT = """\
  main/swift:
    member_of: [app_readonly]
    default_ttl: 3s
    max_ttl: 4s
lease_limits:"""
QUERY = "SELECT current_user, pg_sleep(0.02)"
LOAD_S = 8.0
AT_WORK = 4


@pytest.fixture
def swift(daemon: Daemon, postgres: PostgresServer) -> Daemon:
    """The daemon, with a role whose leases last 4 s at most."""
    daemon.write_policy(policy_for(postgres).replace("lease_limits:", SWIFT))
    return daemon.start()


def conninfo(postgres: PostgresServer) -> str:
    return f"host=127.0.0.1 port={postgres.port} dbname=app sslmode=disable"


@contextmanager
def killed_and_restarted(daemon: Daemon) -> Iterator[None]:
    """The daemon dies and comes back while the block runs."""

    def run() -> None:
        time.sleep(LOAD_S * 0.4)
        daemon.kill()
        daemon.start()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()
    assert daemon.process is not None
    assert daemon.process.poll() is None


def load(query: Callable[[], str]) -> list[str]:
    """Run the query over and over from several threads: the users who ran it, in order."""
    users: list[str] = []
    failures: list[Exception] = []
    until = time.monotonic() + LOAD_S

    def work() -> None:
        while time.monotonic() < until:
            try:
                users.append(query())
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(AT_WORK)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    return users


def nothing_is_left(postgres: PostgresServer) -> None:
    eventually(lambda: postgres.accounts() == [], what="the end of all accounts")


def test_not_one_query_of_psycopg_fails_across_swaps_and_a_crash(
    swift: Daemon, postgres: PostgresServer
) -> None:
    adapter = PsycopgPool(conninfo(postgres), min_size=1, max_size=AT_WORK)
    with DynamicPool(Client(swift.socket), PATH, adapter) as pool, killed_and_restarted(swift):

        def query() -> str:
            with pool.connection() as connection:
                row = connection.execute(QUERY).fetchone()
            return str(row[0])

        users = load(query)
    assert len(set(users)) >= 3
    nothing_is_left(postgres)


def test_not_one_query_of_sqlalchemy_fails_across_swaps_and_a_crash(
    swift: Daemon, postgres: PostgresServer
) -> None:
    url = f"postgresql+psycopg://127.0.0.1:{postgres.port}/app?sslmode=disable"
    adapter = SqlalchemyEngine(url, pool_size=AT_WORK)
    with DynamicPool(Client(swift.socket), PATH, adapter) as pool, killed_and_restarted(swift):

        def query() -> str:
            with pool.connection() as connection:
                return str(connection.execute(text(QUERY)).scalar_one())

        users = load(query)
    assert len(set(users)) >= 3
    nothing_is_left(postgres)


async def test_not_one_query_of_asyncio_fails_across_swaps_and_a_crash(
    swift: Daemon, postgres: PostgresServer
) -> None:
    adapter = AsyncPsycopgPool(conninfo(postgres), min_size=1, max_size=AT_WORK)
    client = AsyncClient(swift.socket)
    users: list[str] = []

    async def work(pool: AsyncDynamicPool) -> None:
        until = time.monotonic() + LOAD_S
        while time.monotonic() < until:
            async with pool.connection() as connection:
                row = await (await connection.execute(QUERY)).fetchone()
            users.append(str(row[0]))

    with killed_and_restarted(swift):
        async with AsyncDynamicPool(client, PATH, adapter) as pool, asyncio.TaskGroup() as group:
            for _ in range(AT_WORK):
                group.create_task(work(pool))
    assert len(set(users)) >= 3
    nothing_is_left(postgres)


def test_a_long_query_ends_on_the_pool_it_began_on(swift: Daemon, postgres: PostgresServer) -> None:
    adapter = PsycopgPool(conninfo(postgres), min_size=1)
    with DynamicPool(Client(swift.socket), PATH, adapter, ttl="3s") as pool:
        with pool.connection() as old:
            [before] = old.execute("SELECT current_user").fetchone()
            for _ in range(25):
                old.execute("SELECT pg_sleep(0.1)")
            with pool.connection() as new:
                [after] = new.execute("SELECT current_user").fetchone()
            assert old.execute("SELECT current_user").fetchone() == (before,)
        assert before != after
        eventually(lambda: postgres.accounts() == [after], 5, "the end of the old account")
    nothing_is_left(postgres)


def test_a_revoked_lease_is_replaced_at_the_next_failure(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    client = Client(daemon.start().socket)
    adapter = PsycopgPool(conninfo(postgres), min_size=1, max_size=2, timeout=5)
    with DynamicPool(client, "database/creds/reader", adapter) as pool:
        [lease] = client.leases("database/creds/reader")
        client.revoke(lease["lease_id"])
        with pytest.raises(psycopg.OperationalError), pool.connection() as connection:
            connection.execute("SELECT 1")
        with pool.connection() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    nothing_is_left(postgres)


def test_a_checkout_that_fails_for_a_revoked_lease_is_served_by_the_next_credential(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    client = Client(daemon.start().socket)
    url = f"postgresql+psycopg://127.0.0.1:{postgres.port}/app?sslmode=disable"
    adapter = SqlalchemyEngine(url, pool_pre_ping=True)
    with DynamicPool(client, "database/creds/reader", adapter) as pool:
        [lease] = client.leases("database/creds/reader")
        client.revoke(lease["lease_id"])
        with pool.connection() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
    nothing_is_left(postgres)


def test_without_a_daemon_the_pool_serves_as_long_as_its_lease_lives(
    swift: Daemon, postgres: PostgresServer
) -> None:
    adapter = PsycopgPool(conninfo(postgres), min_size=1)
    with DynamicPool(Client(swift.socket), PATH, adapter, wait_s=0.2) as pool:
        began = time.monotonic()
        swift.kill()
        while time.monotonic() - began < 2:
            with pool.connection() as connection:
                connection.execute("SELECT pg_sleep(0.05)")
        time.sleep(max(0.0, began + 3.1 - time.monotonic()))
        with pytest.raises(CredentialLost, match=r"no credential: .*nobody listens"):
            pool.connection().__enter__()
        swift.start()
        with eventually_connected(pool) as connection:
            connection.execute("SELECT 1")
    nothing_is_left(postgres)


@contextmanager
def eventually_connected(pool: DynamicPool) -> Iterator[psycopg.Connection]:
    deadline = time.monotonic() + 10
    while True:
        try:
            with pool.connection() as connection:
                yield connection
                return
        except CredentialLost:
            assert time.monotonic() < deadline


def test_a_pool_that_cannot_reach_the_target_leaves_no_account(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    nowhere = PsycopgPool("host=127.0.0.1 port=1 dbname=app", open_s=0.3)
    pool = DynamicPool(Client(daemon.start().socket), "database/creds/reader", nowhere)
    with pytest.raises(Unavailable, match="no connection with the new credential"):
        pool.open()
    assert postgres.accounts() == []
