"""Exit codes of an apply that others are in the way of, on a real PostgreSQL."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from leasehold.cli.apply import apply
from leasehold.client import Client
from servers.daemon import Daemon, eventually, policy_for
from servers.operator import asked, leasehold
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers


@pytest.fixture
def manual(daemon: Daemon) -> Daemon:
    """A daemon that applies only what a person applies."""
    daemon.flags = ("--apply", "manual")
    return daemon.start()


@contextmanager
def nobody_changes_accounts(postgres: PostgresServer) -> Iterator[None]:
    """While this lasts, the target lets everybody log in and has every change of a role wait."""
    with postgres.connect("postgres") as holding, holding.transaction():
        holding.execute("LOCK TABLE pg_authid IN SHARE ROW EXCLUSIVE MODE")
        yield


def test_what_is_served_before_every_lease_is_as_it_says_exits_with_7(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    text = policy_for(postgres)
    daemon.write_policy(text.replace("  main/reader:", "  main/reader:\n    on_removal: revoke"))
    daemon.flags = ("--apply", "manual")
    daemon.start()
    daemon.request("GET", "/v1/database/creds/reader")
    _, _, without_reader = text.partition("  main/brief:")
    daemon.write_policy(f"{text.partition('  main/reader:')[0]}  main/brief:{without_reader}")
    with nobody_changes_accounts(postgres):
        done = leasehold(daemon, "apply", "--yes")
        assert done.returncode == 7, done.stdout + done.stderr
        assert "generation 2 is served" in done.stdout
        assert "not yet as the policy says" in done.stderr
    eventually(lambda: postgres.accounts() == [], what="the account's end")
    again = leasehold(daemon, "apply", "--yes")
    assert (again.returncode, "nothing changed" in again.stdout) == (0, True)


def test_a_second_person_is_told_who_is_at_an_apply_and_exits_with_5(
    manual: Daemon, postgres: PostgresServer
) -> None:
    patient = policy_for(postgres).replace("statement_timeout: 2", "statement_timeout: 60")
    manual.write_policy(patient.replace("main/brief:", "main/quick:"))
    checksum = asked(manual, "plan")["checksum"]
    arguments = [sys.executable, "-m", "leasehold", "apply", "--checksum", checksum]
    with nobody_changes_accounts(postgres):  # so the first one proves its new role for a while
        first = subprocess.Popen([*arguments, "--socket", str(manual.socket)])
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        eventually(lambda: postgres.execute(waiting, "postgres"), what="a first apply that waits")
        second = leasehold(manual, "apply", "--checksum", checksum)
        assert second.returncode == 5
        assert f"tests (unix:uid={os.getuid()}) is at an apply just now" in second.stderr
    assert first.wait(timeout=60) in (0, 1)


def test_yes_means_the_plan_that_is_there_when_somebody_else_was_quicker(
    manual: Daemon, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, plan = [], Client.plan

    def overtaken(client: Client) -> object:
        asked.append(plan(client))
        if len(asked) == 1:
            assert leasehold(manual, "apply", "--yes").returncode == 0
        return asked[-1]

    monkeypatch.setattr(Client, "plan", overtaken)
    manual.write_policy(policy_for(postgres).replace("main/brief:", "main/quick:"))
    done = CliRunner().invoke(apply, ["--yes", "--socket", str(manual.socket)])
    assert done.exit_code == 0
    assert "Nothing changes." in done.stdout
    assert [plan["empty"] for plan in asked] == [False, True]
