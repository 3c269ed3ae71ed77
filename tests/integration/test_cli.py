"""The commands against a running daemon: tables for people, JSON for pipes, sane exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from servers.daemon import Daemon, eventually
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
PATH = "database/creds/reader"


def leasehold(
    *arguments: str, socket: Path | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    where = ["--socket", str(socket)] if socket else []
    return subprocess.run(
        [sys.executable, "-m", "leasehold", *arguments, *where],
        capture_output=True,
        text=True,
        timeout=60,
    )


def asked(daemon: Daemon, *arguments: str) -> dict:
    done = leasehold(*arguments, "--json", socket=daemon.socket)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_lease_from_read_to_revoke(daemon: Daemon, postgres: PostgresServer) -> None:
    daemon.start()
    issued = asked(daemon, "read", PATH, "--ttl", "10m")
    lease_id, user = issued["lease_id"], issued["data"]["username"]
    assert issued["lease_duration"] == 600
    assert postgres.can_log_in(user, issued["data"]["password"])

    [listed] = asked(daemon, "leases")["leases"]
    assert (listed["lease_id"], listed["state"], listed["identity"]) == (
        lease_id,
        "active",
        "tests",
    )
    assert asked(daemon, "renew", lease_id, "--increment", "2h")["lease_duration"] == 7200
    assert asked(daemon, "revoke", lease_id) == {"leases": {lease_id: "revoked"}}
    assert user not in postgres.accounts()
    assert asked(daemon, "leases") == {"leases": []}
    [ended] = asked(daemon, "leases", "--all")["leases"]
    assert (ended["state"], ended["cause"]) == ("revoked", "holder")


def test_a_pipe_gets_json_and_a_field_alone(daemon: Daemon) -> None:
    daemon.start()
    assert "lease_id" in json.loads(leasehold("read", PATH, socket=daemon.socket).stdout)
    one = leasehold("read", PATH, "--field", "username", socket=daemon.socket).stdout
    assert one.startswith("lh")
    assert one.count("\n") == 1


def test_a_field_that_is_not_there_leaves_no_credential_behind(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.start()
    done = leasehold("read", PATH, "--field", "token", socket=daemon.socket)
    assert done.returncode == 1
    assert "no field token; this credential has password, username" in done.stderr
    eventually(lambda: postgres.accounts() == [], what="the account's end")


def test_a_capped_ttl_is_told_on_stderr(daemon: Daemon) -> None:
    daemon.start()
    done = leasehold("read", PATH, "--ttl", "99h", socket=daemon.socket)
    assert done.returncode == 0
    assert "leasehold: warning: TTL of" in done.stderr


def test_refusals_are_one_line_and_exit_1(daemon: Daemon) -> None:
    daemon.start()
    for arguments, words in (
        (("read", "database/creds/nobody"), "unknown role: nobody"),
        (("read", "elsewhere/creds/x"), "permission denied"),
        (("read", PATH, "--ttl", "soon"), "allowed are whole seconds"),
        (("renew", f"{PATH}/never"), "lease not found"),
        (("revoke", f"{PATH}/never"), "no such lease"),
    ):
        done = leasehold(*arguments, socket=daemon.socket)
        assert done.returncode == 1, arguments
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


def test_without_a_daemon_the_exit_code_is_1(tmp_path: Path) -> None:
    for command in (("status",), ("read", PATH), ("leases",), ("revoke", "x/y/z")):
        done = leasehold(*command, socket=tmp_path / "none.sock")
        assert done.returncode == 1
        assert "no such socket" in done.stderr


def test_a_group_without_a_command_shows_its_help_and_exits_with_1(tmp_path: Path) -> None:
    for group in ((), ("token",), ("audit",), ("lease",), ("incident",)):
        done = subprocess.run(
            [sys.executable, "-m", "leasehold", *group], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1
        assert done.stderr.startswith("Usage: ")
        assert "Error" not in done.stderr


def test_wrong_usage_exits_with_1_as_2_would_say_that_something_differs(tmp_path: Path) -> None:
    for arguments in (("nonsense",), ("read",), ("plan", "--detailed-exitcod"), ("apply", "now")):
        done = leasehold(*arguments, socket=tmp_path / "none.sock")
        assert (done.returncode, done.stdout) == (1, "")
        assert "Error: " in done.stderr


def test_status_and_engines_tell_how_all_fares(daemon: Daemon) -> None:
    daemon.start()
    leasehold("read", PATH, socket=daemon.socket)
    status = asked(daemon, "status")
    assert status["leases"]["active"] == 1
    assert (status["overdue"], status["generation"], status["degraded"]) == (0, 1, [])
    [engine] = asked(daemon, "engines")["engines"]
    assert (engine["name"], engine["state"], engine["missing"]) == ("main", "ready", [])
    text = leasehold("status", socket=daemon.socket).stdout
    assert text.startswith("overdue")
    assert "1 active" in text


def test_an_engine_that_is_down_is_told_with_its_reason(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    postgres.stop()
    try:
        daemon.start()
        status = eventually(lambda: asked(daemon, "status")["degraded"], what="the trouble")
        assert status == ["engine main: PostgreSQL cannot be reached"]
        table = leasehold("engines", socket=daemon.socket).stdout
        assert "PostgreSQL cannot be reached" in table
    finally:
        postgres.start()


def test_the_daemon_is_found_by_address_and_by_environment(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.start()
    assert leasehold("status", "--address", f"unix://{daemon.socket}").returncode == 0
    monkeypatch.setenv("VAULT_ADDR", f"unix://{daemon.socket}")
    assert leasehold("status").returncode == 0
    monkeypatch.setenv("LEASEHOLD_ADDR", "http://127.0.0.1:8200")
    done = leasehold("status")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "leasehold: LEASEHOLD_ADDR: found 'http://127.0.0.1:8200'; plain HTTP is not served;"
        " allowed are unix:///path and https://host:port\n"
    )


def test_a_command_that_asks_no_daemon_does_not_judge_its_address(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEASEHOLD_ADDR", "http://127.0.0.1:8200")
    done = leasehold("plan", str(daemon.policies), "--offline", "--base", str(daemon.policies))
    assert done.returncode == 0, done.stderr
