"""One daemon over a real PostgreSQL for all clients of a test process."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.daemon import Daemon, Reply
from servers.postgres import PostgresServer

POLICY = """\
engines:
  main:
    type: postgresql
    mount: database
    connection:
      url: "postgresql://127.0.0.1:{port}/app?sslmode=disable"
      username: "{username}"
      password: env:TEST_PG_PASSWORD
roles:
  main/app-readonly: {{member_of: [app_readonly], default_ttl: 1h, max_ttl: 24h}}
  main/closed: {{member_of: [app_readonly]}}
  # Short lives, for those who renew them.
  main/brief: {{member_of: [app_readonly], default_ttl: 2s, max_ttl: 1m}}
  main/ending: {{member_of: [app_readonly], default_ttl: 10s, max_ttl: 11s}}
  main/changing: {{member_of: [app_readonly], default_ttl: 3s, max_ttl: 5s}}
identities:
  tests:
    owner: the-tests
    tenant: tests
    match: [{{unix: {{uid: {uid}}}}}]
access:
  - identities: [tests]
    paths:
      - database/creds/app-readonly
      - database/creds/brief
      - database/creds/ending
      - database/creds/changing
    verbs: [issue, renew, revoke, list]
  - identities: [tests]
    paths: [leasehold/metrics]
    verbs: [operate]
"""


@pytest.fixture(scope="session")
def daemon(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    postgres.reset()
    policy = POLICY.format(port=postgres.port, username=postgres.admin, uid=os.getuid())
    folder: Path = tmp_path_factory.mktemp("clients") / "d"
    made = Daemon(folder, {"TEST_PG_PASSWORD": postgres.password}, policy=policy)
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture(scope="session")
def environment(daemon: Daemon, postgres: PostgresServer) -> dict[str, str]:
    """What a client's process finds in its environment: where the daemon is, and the database."""
    ours = ("VAULT_", "BAO_", "PG")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **inherited,
        "LEASEHOLD_SOCKET": str(daemon.socket),
        "VAULT_ADDR": f"unix://{daemon.socket}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PGDATABASE": "app",
        "PGSSLMODE": "disable",
    }


@pytest.fixture
def issued(daemon: Daemon) -> Reply:
    """A credential, with its lease, of the role that the guide's listings ask for."""
    reply = daemon.request("GET", "/v1/database/creds/app-readonly")
    assert reply.status == 200, reply.text
    return reply
