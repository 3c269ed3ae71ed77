"""Accounts against leases on a real PostgreSQL, as an operator meets them at the command line."""

import json
import secrets
from pathlib import Path

import pytest

from leasehold.keys.keyfile import load_or_create
from leasehold.leases.names import AccountNames, new_lease_id
from servers.daemon import Daemon, eventually
from servers.operator import asked, audited, leasehold
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
PATH = "database/creds/reader"


def names_of(daemon: Daemon) -> AccountNames:
    """What the daemon computes names with; its key can be read, since it is the test's."""
    key = load_or_create(daemon.state / "key", may_create=False)
    deployment = daemon.request("GET", "/v1/leasehold/status").data["deployment"]
    return AccountNames(deployment, key.derive("account tag"))


def right(names: AccountNames, count: int) -> list[str]:
    return [names.core(new_lease_id(PATH)) for _ in range(count)]


def wrong(names: AccountNames, count: int) -> list[str]:
    """Our mark, and tags that somebody guessed."""
    guessed = (f"{name[:-4]}{secrets.choice(['aaaa', 'zzzz'])}" for name in right(names, count * 2))
    return [name for name in guessed if not names.is_ours(name)][:count]


def make(postgres: PostgresServer, names: list[str]) -> None:
    postgres.execute("; ".join(f'CREATE ROLE "{name}" LOGIN' for name in names), "postgres")


def test_accounts_made_by_hand_are_told_apart_and_only_orphans_go(
    daemon: Daemon, postgres: PostgresServer, tmp_path: Path
) -> None:
    daemon.start()
    names = names_of(daemon)
    live = daemon.request("GET", f"/v1/{PATH}").json["data"]["username"]
    orphans, forged = right(names, 100), wrong(names, 100)
    make(postgres, [*orphans, *forged])
    others = [f"lhzzzz_{'a' * 14}{number:02d}_aaaa".replace("0", "b") for number in (22, 33)]
    make(postgres, others)
    postgres.execute(f'CREATE SCHEMA its AUTHORIZATION "{orphans[0]}"')

    report = asked(daemon, "orphans")
    found = {each["account"]: (each["what"], each["removable"]) for each in report["findings"]}
    assert found == dict.fromkeys(orphans, ("orphan", True)) | dict.fromkeys(
        forged, ("wrong-tag", False)
    )
    [engine] = report["engines"]
    assert (engine["accounts"], engine["other_deployments"]) == (101, 2)
    assert leasehold(daemon, "orphans", "--detailed-exitcode").returncode == 2

    accounts = [["main", name] for name in orphans[:2]]
    stale = daemon.request(
        "PUT", "/v1/leasehold/orphans", {"accounts": accounts, "report": report["report"]}
    )
    assert (stale.status, stale.json["code"]) == (409, "stale")

    export = tmp_path / "orphans.json"
    refused = leasehold(daemon, "orphans", "--apply", "--export", str(export))
    assert refused.returncode == 3
    assert "100 accounts removed; allowed are 10" in refused.stderr
    assert not export.exists()
    assert set(orphans) <= set(postgres.accounts())

    code = ("--allow-unsafe", "max-leases-revoked")
    done = leasehold(daemon, "orphans", "--apply", "--export", str(export), *code)
    assert done.returncode == 0, done.stderr
    assert f"100 accounts removed; {export} has what they were" in done.stdout
    assert set(postgres.accounts()) == {live, *forged, *others}
    exported = json.loads(export.read_text())
    assert {each["account"] for each in exported["findings"] if each["removable"]} == set(orphans)
    lines = audited(daemon)
    [asked_for] = [line for line in lines if line["event"] == "orphan-removing"]
    gone = [line for line in lines if line["event"] == "orphan-removed"]
    assert {line["detail"]["account"] for line in gone} == set(orphans)
    assert all(line["seq"] > asked_for["seq"] for line in gone)
    assert [line for line in lines if line["event"] == "orphan-cleared"] == []

    again = leasehold(daemon, "orphans", "--apply", "--export", str(export))
    assert (again.returncode, "nothing to remove" in again.stdout) == (0, True)


def test_an_export_is_never_written_over(
    daemon: Daemon, postgres: PostgresServer, tmp_path: Path
) -> None:
    daemon.start()
    make(postgres, right(names_of(daemon), 1))
    export = tmp_path / "orphans.json"
    export.write_text("an earlier one")
    done = leasehold(daemon, "orphans", "--apply", "--export", str(export))
    assert (done.returncode, "File exists" in done.stderr) == (1, True)
    assert export.read_text() == "an earlier one"
    assert len(postgres.accounts()) == 1
    for half in (("--apply",), ("--export", str(export))):
        done = leasehold(daemon, "orphans", *half)
        assert (done.returncode, "go together" in done.stderr) == (1, True)


def test_one_that_cannot_be_dropped_is_told_and_is_exit_code_7(
    daemon: Daemon, postgres: PostgresServer, tmp_path: Path
) -> None:
    daemon.start()
    owner, plain = right(names_of(daemon), 2)
    make(postgres, [owner, plain])
    # What it owns holds what others need, so DROP OWNED, which does not cascade, is refused.
    postgres.execute(f'CREATE SCHEMA theirs AUTHORIZATION "{owner}"; CREATE TABLE theirs.t ()')
    export = tmp_path / "orphans.json"
    done = leasehold(daemon, "orphans", "--apply", "--export", str(export))
    try:
        assert done.returncode == 7, done.stdout + done.stderr
        assert "1 accounts removed" in done.stdout
        assert f"leasehold: main: {owner}: " in done.stderr
        assert postgres.accounts() == [owner]
        assert not postgres.can_log_in(owner, "")
    finally:
        postgres.execute("DROP SCHEMA theirs CASCADE")


def test_an_account_that_stands_again_is_an_alarm(daemon: Daemon, postgres: PostgresServer) -> None:
    daemon.flags = ("--drift-every-s", "1")
    daemon.start()
    issued = daemon.request("GET", f"/v1/{PATH}").json
    lease = {"lease_id": issued["lease_id"]}
    assert daemon.request("PUT", "/v1/sys/leases/revoke", lease).status == 204
    make(postgres, [issued["data"]["username"]])
    status = eventually(
        lambda: daemon.request("GET", "/v1/leasehold/status").data["degraded"], what="the alarm"
    )
    assert status == [
        "engine main: 1 accounts stand again after their lease ended; see leasehold orphans"
    ]
    table = leasehold(daemon, "orphans").stdout
    assert "resurrected" in table
    assert "error leasehold.reconcile.drift: engine main: 1 more" in daemon.log.read_text()
    told = [line["detail"] for line in audited(daemon) if line["event"] == "orphan-found"]
    assert [detail["lease_id"] for detail in told] == [issued["lease_id"]]


def test_a_ghost_is_told_and_its_lease_goes_on(daemon: Daemon, postgres: PostgresServer) -> None:
    daemon.start()
    issued = daemon.request("GET", f"/v1/{PATH}").json
    postgres.execute(f'DROP ROLE "{issued["data"]["username"]}"')
    [finding] = asked(daemon, "orphans")["findings"]
    assert (finding["what"], finding["lease_id"]) == ("ghost", issued["lease_id"])
    assert not finding["removable"]
    lease = {"lease_id": issued["lease_id"]}
    assert daemon.request("PUT", "/v1/sys/leases/revoke", lease).status == 204
    assert asked(daemon, "orphans")["findings"] == []
