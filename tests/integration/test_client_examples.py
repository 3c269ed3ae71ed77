"""The examples for Python and the shell do what their pages say, against a real daemon."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from servers.daemon import Daemon, eventually, policy_for
from servers.operator import audited
from servers.over_tls import listen
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

EXAMPLES = Path(__file__).parents[2] / "examples" / "clients"
ROLE = """\
  main/app-readonly:
    member_of: [app_readonly]
    default_ttl: 3s
    max_ttl: 4s
lease_limits:"""


@pytest.fixture
def environment(daemon: Daemon, postgres: PostgresServer) -> dict[str, str]:
    """What the pages say to export; the daemon runs."""
    daemon.write_policy(policy_for(postgres).replace("lease_limits:", ROLE))
    daemon.start()
    clean = {name: text for name, text in os.environ.items() if not name.startswith("VAULT_")}
    return {
        **clean,
        "LEASEHOLD_SOCKET": str(daemon.socket),
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PGDATABASE": "app",
        "PGSSLMODE": "disable",
    }


def run(environment: dict[str, str], *command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], env=environment, capture_output=True, text=True, timeout=60
    )


def done(environment: dict[str, str], *command: object) -> str:
    ended = run(environment, *command)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_guides_listing_runs_by_tls(
    environment: dict[str, str], daemon: Daemon, postgres: PostgresServer, tmp_path: Path
) -> None:
    daemon.stop()
    told = listen(daemon, policy_for(postgres).replace("lease_limits:", ROLE))
    daemon.flags += ("--tls-client-certificates", "optional")
    daemon.start()
    listing = (EXAMPLES / "python" / "guide.py").read_text()
    assert "https://localhost:8200" in listing
    program = tmp_path / "guide.py"
    program.write_text(listing.replace("https://localhost:8200", told["VAULT_ADDR"]))
    login = [sys.executable, "-m", "leasehold", "login", "--no-store"]
    more = {
        "VAULT_TOKEN": done(environment, *login).strip(),
        "VAULT_CACERT": told["VAULT_CACERT"],
    }
    postgres.execute("CREATE DATABASE mydb", "postgres")
    done({**environment, **more}, sys.executable, program)  # it would fail if it could not log in
    assert postgres.accounts() == []
    ends = [line["detail"].get("verb") for line in audited(daemon) if line["event"] == "revoking"]
    assert ends == ["revoke"]
    postgres.execute("DROP DATABASE mydb WITH (FORCE)", "postgres")


def test_the_guides_listing_runs_over_the_socket(
    environment: dict[str, str], postgres: PostgresServer
) -> None:
    told = done(environment, sys.executable, EXAMPLES / "python" / "guide_socket.py")
    assert told.startswith("connected as lh")
    assert postgres.accounts() == []


def test_the_pool_of_the_example_changes_its_account_and_leaves_none(
    environment: dict[str, str], postgres: PostgresServer
) -> None:
    told = done(environment, sys.executable, EXAMPLES / "python" / "pooled.py", 4).splitlines()
    assert len(told) >= 2
    assert all(line.startswith("connected as lh") for line in told)
    eventually(lambda: postgres.accounts() == [], what="the end of all accounts")


def test_the_shell_script_queries_and_gives_its_account_up(
    environment: dict[str, str], postgres: PostgresServer
) -> None:
    script = EXAMPLES / "shell" / "query.sh"
    assert "lh" in done(environment, script)
    assert postgres.accounts() == []
    failed = run(environment, script, "SELECT * FROM nothing")
    assert failed.returncode == 1
    assert postgres.accounts() == []
    refused = run({**environment, "LEASEHOLD_PATH": "database/creds/none"}, script)
    assert refused.returncode == 1
    assert "unknown role" in refused.stderr
