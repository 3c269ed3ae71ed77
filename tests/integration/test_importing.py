"""From a Vault that serves a database to a leasehold that does: import, fill in, ask, log in."""

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from fakes.vault import (
    CREATE,
    TOKEN,
    FakeVault,
    connection,
    login,
    mount,
    policy,
    role,
    running,
    tune,
)
from leasehold.cli.main import cli
from servers.daemon import Daemon
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers


def described(postgres: PostgresServer) -> FakeVault:
    """A Vault with one database mount, which leads to this PostgreSQL."""
    url = f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{postgres.port}/app"
    grant = 'GRANT SELECT ON public.items TO "{{name}}";'
    return FakeVault(
        {
            "sys/mounts": {"database/": mount("database")},
            "sys/mounts/database/tune": tune(),
            "database/config/main": connection(url, details={"username": postgres.admin}),
            "database/roles/reader": role(
                "main",
                CREATE,
                grant,
                default_ttl=600,
                max_ttl=3600,
                revocation_statements=[
                    'REVOKE ALL ON public.items FROM "{{name}}"; DROP ROLE IF EXISTS "{{name}}";'
                ],
            ),
            "sys/auth": {"approle/": mount("approle")},
            "auth/approle/role/billing": login("reader"),
            "sys/policies/acl/reader": policy(
                'path "database/creds/reader" { capabilities = ["read"] }\n'
                'path "sys/leases/renew" { capabilities = ["update"] }\n'
                'path "auth/token/revoke-self" { capabilities = ["update"] }\n'
            ),
        }
    )


def test_a_credential_of_an_imported_role_logs_in_and_goes(
    postgres: PostgresServer, daemon: Daemon, tmp_path: Path
) -> None:
    shutil.rmtree(daemon.policies)
    with running(described(postgres)) as vault:
        done = CliRunner().invoke(
            cli,
            ["import", "vault", "--address", vault.address, "--out", str(daemon.policies)],
            env={"VAULT_TOKEN": TOKEN, "BAO_TOKEN": None},
        )
        assert done.exit_code == 0, done.stderr
        assert vault.methods == {"GET"}

    # What MIGRATION.md asks for: the password, and who the caller is.
    secret = tmp_path / "password"
    secret.write_text(f"{postgres.password}\n")
    secret.chmod(0o600)
    for name, blank, filled in (
        ("engines.yaml", "/etc/leasehold/main", str(secret)),
        ("identities.yaml", "user: FILL-IN:approle-billing", f"uid: {os.getuid()}"),
    ):
        file = daemon.policies / name
        text = file.read_text()
        assert blank in text
        file.write_text(text.replace(blank, filled))

    daemon.start()
    reply = daemon.request("GET", "/v1/database/creds/reader")
    assert reply.json["lease_duration"] == 600, reply.text
    user, password = reply.data["username"], reply.data["password"]
    with postgres.connect(user=user, password=password) as session:
        session.execute("SELECT count(*) FROM public.items")
    renewed = daemon.request("PUT", "/v1/sys/leases/renew", {"lease_id": reply.json["lease_id"]})
    assert renewed.status == 200
    gone = daemon.request("PUT", "/v1/sys/leases/revoke", {"lease_id": reply.json["lease_id"]})
    assert gone.status == 204
    assert postgres.accounts() == []
