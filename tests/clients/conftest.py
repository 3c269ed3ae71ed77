"""One daemon over a real PostgreSQL for all clients of a test process, on its socket and by TLS."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from servers.certificates import Authority
from servers.daemon import Daemon, Reply
from servers.postgres import PostgresServer, free_port

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
  main/many: {{member_of: [app_readonly]}}
  # Short lives, for those who renew them.
  main/brief: {{member_of: [app_readonly], default_ttl: 2s, max_ttl: 1m}}
  main/ending: {{member_of: [app_readonly], default_ttl: 10s, max_ttl: 11s}}
  main/changing: {{member_of: [app_readonly], default_ttl: 3s, max_ttl: 5s}}
identities:
  tests:
    owner: the-tests
    tenant: tests
    match: [{{unix: {{uid: {uid}}}}}, {{tls: {{san: "dns:tests.internal"}}}}]
access:
  - identities: [tests]
    paths:
      - database/creds/app-readonly
      - database/creds/brief
      - database/creds/ending
      - database/creds/changing
    verbs: [issue, renew, revoke, list]
  - identities: [tests]
    paths: [database/creds/many]
    verbs: [issue, renew, revoke, revoke-any]
  - identities: [tests]
    paths: [leasehold/metrics]
    verbs: [operate]
"""


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Of the daemon's certificate, and of its callers by TLS."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def tls_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def daemon(
    postgres: PostgresServer,
    authority: Authority,
    tls_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Daemon]:
    postgres.reset()
    policy = POLICY.format(port=postgres.port, username=postgres.admin, uid=os.getuid())
    own = authority.server()
    flags = (
        *("--tls-listen", f"127.0.0.1:{tls_port}", "--tls-client-ca-file", str(authority.file)),
        *("--tls-certificate-file", str(own.certificate_file), "--tls-key-file", str(own.key_file)),
        *("--tls-client-certificates", "optional"),  # a token is enough
    )
    folder: Path = tmp_path_factory.mktemp("clients") / "d"
    secret = {"TEST_PG_PASSWORD": postgres.password}
    made = Daemon(folder, secret, policy=policy, flags=flags)
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture(scope="session")
def somewhere(daemon: Daemon, postgres: PostgresServer) -> dict[str, str]:
    """The environment of a client's process, which says where the database is."""
    ours = ("VAULT_", "BAO_", "LEASEHOLD_", "PG")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **inherited,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PGDATABASE": "app",
        "PGSSLMODE": "disable",
    }


@pytest.fixture(scope="session")
def environment(somewhere: dict[str, str], daemon: Daemon) -> dict[str, str]:
    """It also says where the daemon's socket is."""
    socket = str(daemon.socket)
    return {**somewhere, "LEASEHOLD_SOCKET": socket, "VAULT_ADDR": f"unix://{socket}"}


@pytest.fixture(scope="session")
def by_tls(somewhere: dict[str, str], authority: Authority, tls_port: int) -> dict[str, str]:
    """It also says where the daemon listens on TLS, and who the client is, in Vault's variables."""
    client = authority.client("tests", x509.DNSName("tests.internal"))
    return {
        **somewhere,
        "VAULT_ADDR": f"https://localhost:{tls_port}",
        "VAULT_CACERT": str(authority.file),
        "VAULT_CLIENT_CERT": str(client.certificate_file),
        "VAULT_CLIENT_KEY": str(client.key_file),
    }


@pytest.fixture(scope="session")
def by_token(by_tls: dict[str, str], daemon: Daemon) -> dict[str, str]:
    """The same, but the client has a token from a login over the socket, and no certificate."""
    login = daemon.request("PUT", "/v1/auth/unix/login", {"ttl": "1h"})
    bare = {name: its for name, its in by_tls.items() if not name.startswith("VAULT_CLIENT_")}
    return {**bare, "VAULT_TOKEN": login.json["auth"]["client_token"]}


@pytest.fixture
def issued(daemon: Daemon) -> Reply:
    """A credential, with its lease, of the role that the guide's listings ask for."""
    reply = daemon.request("GET", "/v1/database/creds/app-readonly")
    assert reply.status == 200, reply.text
    return reply
