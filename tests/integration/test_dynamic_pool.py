"""Dynamic pools under load on a real daemon and a real PostgreSQL: swaps that nobody notices."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

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
from servers.operator import audited
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

PATH = "database/creds/swift"
SWIFT = """\
  main/swift:
    member_of: [app_readonly]
    default_ttl: 5s
    max_ttl: 6s
lease_limits:"""
QUERY = "SELECT current_user, pg_sleep(0.2)"
LOAD_S = 10.0
AT_WORK = 4


@pytest.fixture
def swift(daemon: Daemon, postgres: PostgresServer) -> Daemon:
    """The daemon, with a role whose leases last 6 s at most, and are replaced after 4."""
    daemon.write_policy(policy_for(postgres).replace("lease_limits:", SWIFT))
    return daemon.start()


def conninfo(postgres: PostgresServer) -> str:
    return f"host=127.0.0.1 port={postgres.port} dbname=app sslmode=disable"


def url(postgres: PostgresServer) -> str:
    return f"postgresql+psycopg://127.0.0.1:{postgres.port}/app?sslmode=disable"


class Load:
    """Queries, several at a time, for LOAD_S: who ran them, by the account's name."""

    def __init__(self) -> None:
        self.users: list[str] = []
        self._until = time.monotonic() + LOAD_S

    def from_threads(self, pool: DynamicPool, query: Callable[[Any], str]) -> None:
        def work() -> None:
            while time.monotonic() < self._until:
                with pool.connection() as connection:
                    self.users.append(query(connection))

        with pool, ThreadPoolExecutor() as threads:
            for working in [threads.submit(work) for _ in range(AT_WORK)]:
                working.result()

    async def from_tasks(self, pool: AsyncDynamicPool) -> None:
        async def work() -> None:
            while time.monotonic() < self._until:
                async with pool.connection() as connection:
                    [user, _] = await (await connection.execute(QUERY)).fetchone()
                self.users.append(user)

        async with pool, asyncio.TaskGroup() as tasks:
            for _ in range(AT_WORK):
                tasks.create_task(work())


def crash(daemon: Daemon, loads: list[Load]) -> None:
    """Kill the daemon when each pool stands on its second credential, and start it again."""
    eventually(lambda: all(len(set(load.users)) == 2 for load in loads), what="the first swaps")
    daemon.kill()
    daemon.start()


async def test_not_one_query_fails_across_swaps_and_a_crash_of_the_daemon(
    swift: Daemon, postgres: PostgresServer
) -> None:
    threads = DynamicPool(
        Client(swift.socket), PATH, PsycopgPool(conninfo(postgres), max_size=AT_WORK)
    )
    engine = DynamicPool(
        Client(swift.socket), PATH, SqlalchemyEngine(url(postgres), pool_size=AT_WORK)
    )
    tasks = AsyncDynamicPool(
        AsyncClient(swift.socket), PATH, AsyncPsycopgPool(conninfo(postgres), max_size=AT_WORK)
    )
    loads = [Load() for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        group.create_task(
            asyncio.to_thread(
                loads[0].from_threads, threads, lambda conn: conn.execute(QUERY).fetchone()[0]
            )
        )
        group.create_task(
            asyncio.to_thread(
                loads[1].from_threads, engine, lambda conn: conn.execute(text(QUERY)).scalar_one()
            )
        )
        group.create_task(loads[2].from_tasks(tasks))
        group.create_task(asyncio.to_thread(crash, swift, loads))
    assert all(len(set(load.users)) >= 3 for load in loads)
    nothing_is_left(postgres)


def nothing_is_left(postgres: PostgresServer) -> None:
    eventually(lambda: postgres.accounts() == [], what="the end of all accounts")


def test_who_is_at_work_stays_on_the_pool_where_the_work_began(
    swift: Daemon, postgres: PostgresServer
) -> None:
    adapter = PsycopgPool(conninfo(postgres), min_size=1, max_size=2)
    with DynamicPool(Client(swift.socket), PATH, adapter) as pool:

        def user_of_a_new_checkout() -> str:
            with pool.connection() as connection:
                return str(connection.execute("SELECT current_user").fetchone()[0])

        with pool.connection() as old:
            before = user_of_a_new_checkout()
            eventually(lambda: user_of_a_new_checkout() != before, what="the swap")
            assert old.execute("SELECT current_user").fetchone() == (before,)
        eventually(lambda: before not in postgres.accounts(), what="the end of the old account")
        assert user_of_a_new_checkout() in postgres.accounts()
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
    adapter = SqlalchemyEngine(url(postgres), pool_pre_ping=True)
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
        while time.monotonic() - began < 3:
            with pool.connection() as connection:
                connection.execute("SELECT pg_sleep(0.05)")
        time.sleep(max(0.0, began + 5.1 - time.monotonic()))
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


def test_a_pool_goes_over_to_the_successor_and_acknowledges_it(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    overlapping = SWIFT.replace("max_ttl: 6s", "max_ttl: 6s\n    overlap: 3s\n    grace: 2s")
    daemon.write_policy(policy_for(postgres).replace("lease_limits:", overlapping))
    daemon.start()
    load = Load()
    pool = DynamicPool(Client(daemon.socket), PATH, PsycopgPool(conninfo(postgres)))
    load.from_threads(pool, lambda connection: connection.execute(QUERY).fetchone()[0])
    assert len(set(load.users)) >= 3
    told = [line for line in audited(daemon) if line["event"] in ("replaced", "acknowledged")]
    by_event = [line["event"] for line in told]
    assert by_event.count("replaced") >= 2
    assert by_event.count("acknowledged") >= 2
    eventually(lambda: postgres.accounts() == [], what="the end of all of them")
