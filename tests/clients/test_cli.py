"""`bao` or `vault` at the command line, where one is installed or LEASEHOLD_TEST_BAO names one."""

import json
import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from clients.toolchains import command
from servers.daemon import Reply, eventually
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

ROLE = "database/creds/app-readonly"
Cli = Callable[..., subprocess.CompletedProcess[str]]


def ran(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    named = os.environ.get("LEASEHOLD_TEST_BAO")
    program = command(named) if named else command("bao", "vault")
    return subprocess.run(
        [program, *arguments], env=env, capture_output=True, text=True, timeout=30
    )


@pytest.fixture
def cli(environment: dict[str, str], tmp_path: Path) -> Cli:
    return partial(ran, {**environment, "HOME": str(tmp_path)})  # where it looks for a token


def done(its: subprocess.CompletedProcess[str]) -> str:
    assert its.returncode == 0, its.stderr
    return its.stdout


def test_read_gives_a_credential_that_logs_in(cli: Cli, postgres: PostgresServer) -> None:
    read = json.loads(done(cli("read", "-format=json", ROLE)))
    assert (read["lease_duration"], read["renewable"]) == (3600, True)
    assert postgres.can_log_in(read["data"]["username"], read["data"]["password"])


def test_read_shows_the_lease_in_its_table(cli: Cli) -> None:
    words = done(cli("read", ROLE)).split()
    assert {"lease_id", "lease_duration", "1h", "password"} <= set(words)


def test_lease_lookup_shows_what_is_left(cli: Cli, issued: Reply) -> None:
    lease_id = issued.json["lease_id"]
    found = json.loads(done(cli("lease", "lookup", "-format=json", lease_id)))["data"]
    assert found["id"] == lease_id
    assert 3590 <= found["ttl"] <= 3600


def test_lease_renew_moves_the_end(cli: Cli, issued: Reply) -> None:
    renew = ["lease", "renew", "-format=json", "-increment=10m", issued.json["lease_id"]]
    assert json.loads(done(cli(*renew)))["lease_duration"] == 600


@pytest.mark.parametrize("flags", [(), ("-sync",)], ids=["queued", "waited-for"])
def test_lease_revoke_ends_the_account(
    cli: Cli, issued: Reply, postgres: PostgresServer, flags: tuple[str, ...]
) -> None:
    login = issued.data["username"], issued.data["password"]
    assert postgres.can_log_in(*login)
    done(cli("lease", "revoke", *flags, issued.json["lease_id"]))
    refused = not postgres.can_log_in(*login)
    assert refused if flags else eventually(lambda: not postgres.can_log_in(*login))


@pytest.mark.parametrize("flags", [("-sync",), ("-force",)], ids=["waited-for", "by-force"])
def test_lease_revoke_ends_all_below_a_prefix(
    cli: Cli, postgres: PostgresServer, flags: tuple[str, ...]
) -> None:
    made = [json.loads(done(cli("read", "-format=json", "database/creds/many"))) for _ in range(3)]
    done(cli("lease", "revoke", "-prefix", *flags, "database/creds/many"))
    for its in made:
        assert not postgres.can_log_in(its["data"]["username"], its["data"]["password"])


def test_write_takes_fields_as_pairs(cli: Cli, issued: Reply) -> None:
    fields = [f"lease_id={issued.json['lease_id']}", "increment=600"]
    written = json.loads(done(cli("write", "-format=json", "sys/leases/renew", *fields)))
    assert written["lease_duration"] == 600


def test_write_takes_no_fields_at_all(cli: Cli, issued: Reply) -> None:
    done(cli("write", "-force", f"sys/leases/renew/{issued.json['lease_id']}"))


def test_list_shows_leases(cli: Cli, issued: Reply) -> None:
    listed = json.loads(done(cli("list", "-format=json", f"sys/leases/lookup/{ROLE}")))
    assert issued.json["lease_id"].rpartition("/")[2] in listed


def test_status_says_that_there_is_nothing_to_unseal(cli: Cli) -> None:
    status = json.loads(done(cli("status", "-format=json")))
    assert (status["initialized"], status["sealed"]) == (True, False)


def test_a_token_is_all_that_is_needed_by_tls(
    by_token: dict[str, str], tmp_path: Path, postgres: PostgresServer
) -> None:
    cli = partial(ran, {**by_token, "HOME": str(tmp_path)})
    looked = json.loads(done(cli("token", "lookup", "-format=json")))["data"]
    assert looked["policies"] == ["tests"]
    assert looked["ttl"] <= 3600
    data = json.loads(done(cli("read", "-format=json", ROLE)))["data"]
    assert postgres.can_log_in(data["username"], data["password"])
    wrapped = json.loads(done(cli("read", "-format=json", "-wrap-ttl=60s", ROLE)))["wrap_info"]
    data = json.loads(done(cli("unwrap", "-format=json", wrapped["token"])))["data"]
    assert postgres.can_log_in(data["username"], data["password"])
    own = json.loads(done(cli("token", "create", "-format=json", "-ttl=5m")))["auth"]
    done(cli("login", own["client_token"]))
    done(cli("token", "renew", own["client_token"]))
    done(cli("token", "revoke", own["client_token"]))


def test_what_may_be_done_is_listed(cli: Cli) -> None:
    assert "database/" in done(cli("secrets", "list"))
    assert "read" in done(cli("token", "capabilities", ROLE))
    assert "tests" in done(cli("policy", "list"))
    assert "app-readonly" in done(cli("list", "database/roles"))


def test_what_is_configured_is_not_written_and_its_place_is_told(cli: Cli) -> None:
    refused = cli("write", "database/roles/more", "db_name=main")
    assert refused.returncode == 2
    assert "Code: 405" in refused.stderr
    assert "add roles: main/more: to a policy file" in refused.stderr


def test_a_refusal_is_told_with_its_reason(cli: Cli) -> None:
    refused = cli("read", "database/creds/closed")
    assert refused.returncode == 2
    assert "Code: 403" in refused.stderr
    assert "permission denied" in refused.stderr


def test_a_certificate_lets_in_by_tls(
    by_tls: dict[str, str], tmp_path: Path, postgres: PostgresServer
) -> None:
    read = done(ran({**by_tls, "HOME": str(tmp_path)}, "read", "-format=json", ROLE))
    data = json.loads(read)["data"]
    assert postgres.can_log_in(data["username"], data["password"])
