"""Leased accounts behind PgBouncer, which asks the server for their verifiers (`auth_query`)."""

import psycopg
import pytest

from integration.test_dynamic_pool import SWIFT, Load, nothing_is_left
from leasehold.client import Client, IssuedCredential
from leasehold.client.adapters.psycopg import PsycopgPool
from leasehold.client.pool import DynamicPool
from servers.daemon import Daemon, policy_for
from servers.operator import audited
from servers.pgbouncer import PgBouncer
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

READER = "database/creds/reader"


@pytest.fixture
def served(daemon: Daemon, postgres: PostgresServer, pgbouncer: PgBouncer) -> Daemon:
    overlapping = SWIFT.replace("max_ttl: 6s", "max_ttl: 6s\n    overlap: 3s\n    grace: 2s")
    daemon.write_policy(policy_for(postgres).replace("lease_limits:", overlapping))
    return daemon.start()


def login(issued: IssuedCredential) -> tuple[str, str]:
    return issued.fields["username"].reveal(), issued.fields["password"].reveal()


def test_not_one_query_of_a_pool_behind_it_fails_when_its_lease_is_replaced(
    served: Daemon, postgres: PostgresServer, pgbouncer: PgBouncer
) -> None:
    conninfo = f"host=127.0.0.1 port={pgbouncer.port} dbname=app sslmode=disable"
    adapter = PsycopgPool(conninfo, kwargs={"prepare_threshold": None})
    load = Load()
    load.from_threads(
        DynamicPool(Client(served.socket), "database/creds/swift", adapter),
        lambda connection: connection.execute("SELECT current_user, pg_sleep(0.2)").fetchone()[0],
    )
    assert len(set(load.users)) >= 3
    events = [line["event"] for line in audited(served)]
    assert events.count("acknowledged") >= 2
    nothing_is_left(postgres)


def test_a_credential_works_through_it_at_once_and_not_after_its_end(
    served: Daemon, pgbouncer: PgBouncer
) -> None:
    client = Client(served.socket)
    for _ in range(3):
        issued = client.read(READER)
        assert pgbouncer.can_log_in(*login(issued))
        client.revoke(issued.lease_id)
        assert not pgbouncer.can_log_in(*login(issued))


def test_who_stays_connected_to_it_gets_nothing_more_after_the_end(
    served: Daemon, pgbouncer: PgBouncer
) -> None:
    client = Client(served.socket)
    issued = client.read(READER)
    with pgbouncer.connect(*login(issued)) as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchone()
        client.revoke(issued.lease_id)
        with pytest.raises(psycopg.OperationalError, match="query_wait_timeout"):
            connection.execute("SELECT count(*) FROM items")
