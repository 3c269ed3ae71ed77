"""Changing the policy of a running daemon: what is shown, refused, and done to live leases."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from servers.daemon import Daemon, eventually, policy_for
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers


@pytest.fixture
def manual(daemon: Daemon) -> Daemon:
    """A daemon that applies only what a person applies."""
    daemon.flags = ("--apply", "manual")
    return daemon.start()


def leasehold(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "leasehold", *arguments, "--socket", str(daemon.socket)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def planned(daemon: Daemon, *arguments: str) -> dict:
    return json.loads(leasehold(daemon, "plan", "--json", *arguments).stdout)


def changes(plan: dict) -> dict[str, str]:
    return {change["address"]: change["action"] for change in plan["changes"]}


def issue(daemon: Daemon, role: str = "reader") -> dict:
    return daemon.request("GET", f"/v1/database/creds/{role}").json


def renamed(postgres: PostgresServer) -> str:
    """The policy with another role in the place of `brief`."""
    return policy_for(postgres).replace("main/brief:", "main/quick:")


def without(postgres: PostgresServer, *lines: str) -> str:
    text = policy_for(postgres)
    for line in lines:
        assert line in text
        text = text.replace(line, "")
    return text


def test_an_unchanged_policy_plans_nothing_twice_in_a_row(manual: Daemon) -> None:
    for _ in range(2):
        done = leasehold(manual, "plan", "--detailed-exitcode")
        assert (done.returncode, "Nothing changes." in done.stdout) == (0, True)
        assert leasehold(manual, "apply", "--yes", "--detailed-exitcode").returncode == 0
    assert manual.request("GET", "/v1/leasehold/status").data["generation"] == 1


def test_a_plan_names_the_leases_that_a_change_hits_and_their_holders(
    manual: Daemon, postgres: PostgresServer
) -> None:
    for _ in range(3):
        issue(manual, "reader")
    manual.write_policy(policy_for(postgres).replace("max_ttl: 24h", "max_ttl: 30m", 1))
    done = leasehold(manual, "plan", "--detailed-exitcode")
    assert done.returncode == 6, "default_ttl is over max_ttl now"
    tight = policy_for(postgres).replace("default_ttl: 1h\n    max_ttl: 24h", "max_ttl: 30m")
    manual.write_policy(tight)
    done = leasehold(manual, "plan", "--detailed-exitcode")
    assert done.returncode == 2
    assert "~ update role:main/reader: leases older than 30m end at their next" in done.stdout
    assert "max_ttl  1d -> 30m" in done.stdout
    assert "3 live leases, 3 end earlier; holders: tests x3" in done.stdout
    assert "hit 3 of 3 (100.0 %)" in done.stdout


def test_applying_serves_what_was_shown_and_nothing_else(
    manual: Daemon, postgres: PostgresServer
) -> None:
    manual.write_policy(renamed(postgres))
    plan = planned(manual)
    assert changes(plan) == {"role:main/brief": "delete", "role:main/quick": "create"}
    gained = {(each["path"], each["verb"]) for each in plan["access_delta"]["gained"]}
    assert ("database/creds/quick", "issue") in gained

    manual.write_policy(policy_for(postgres).replace("main/brief:", "main/swift:"))
    stale = leasehold(manual, "apply", "--checksum", plan["checksum"])
    assert stale.returncode == 4
    assert "look at it again" in stale.stderr
    assert manual.request("GET", "/v1/database/creds/brief").status == 200

    now = planned(manual)["checksum"]
    done = leasehold(manual, "apply", "--checksum", now, "--detailed-exitcode")
    assert (done.returncode, done.stdout) == (2, "generation 2 is served\n")
    assert manual.request("GET", "/v1/database/creds/swift").status == 200
    applied = manual.request("GET", "/v1/leasehold/generations").data["generations"]
    assert [(each["number"], each["by"]) for each in applied] == [(2, "tests"), (1, "daemon")]


def test_nobody_is_asked_in_vain(manual: Daemon, postgres: PostgresServer) -> None:
    manual.write_policy(renamed(postgres))
    done = leasehold(manual, "apply")
    assert done.returncode == 1
    assert "give --checksum SUM, or --yes" in done.stderr


def test_a_limit_of_safety_refuses_and_can_be_broken_once(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.write_policy(policy_for(postgres) + "safety: {protected: ['role:main/brief']}\n")
    daemon.flags = ("--apply", "manual")
    daemon.start()
    daemon.write_policy(renamed(postgres))
    plan = leasehold(daemon, "plan")
    assert plan.returncode == 3
    assert "! protected: role:main/brief is protected and would be removed" in plan.stdout
    refused = leasehold(daemon, "apply", "--yes")
    assert refused.returncode == 3
    assert "--allow-unsafe protected" in refused.stderr
    assert issue(daemon, "brief")["lease_id"]
    assert leasehold(daemon, "apply", "--yes", "--allow-unsafe", "protected").returncode == 0
    wrong = leasehold(daemon, "apply", "--yes", "--allow-unsafe", "everything")
    assert (wrong.returncode, "allowed are" in wrong.stderr) == (1, True)


def test_an_empty_bundle_is_held_for_a_person_also_when_nobody_looks(daemon: Daemon) -> None:
    daemon.start()
    daemon.write_policy("identities: {}\n")
    daemon.process.send_signal(signal.SIGHUP)
    degraded = eventually(lambda: daemon.request("GET", "/v1/leasehold/status").data["degraded"])
    assert "held for a person" in degraded[0]
    assert "removes-everything" in degraded[0]
    assert issue(daemon)["lease_id"]
    daemon.stop()
    daemon.start()
    assert issue(daemon)["lease_id"], "the last good generation is served at a start too"


def test_a_role_that_is_removed_drains(manual: Daemon, postgres: PostgresServer) -> None:
    issued = issue(manual, "brief")
    manual.write_policy(renamed(postgres))
    plan = planned(manual)
    assert changes(plan)["role:main/brief"] == "drain"
    assert plan["lease_impact"]["stranded"] == 1
    leasehold(manual, "apply", "--yes")
    assert manual.request("GET", "/v1/database/creds/brief").json["errors"] == [
        "unknown role: brief"
    ]
    renewal = {"lease_id": issued["lease_id"]}
    assert manual.request("PUT", "/v1/sys/leases/renew", renewal).status == 400
    assert issued["data"]["username"] in postgres.accounts()
    eventually(lambda: postgres.accounts() == [], what="the account's end")


def test_a_role_that_is_removed_with_revoke_ends_its_leases_now(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    text = policy_for(postgres)
    daemon.write_policy(text.replace("  main/reader:", "  main/reader:\n    on_removal: revoke"))
    daemon.flags = ("--apply", "manual")
    daemon.start()
    for _ in range(3):
        issue(daemon)
    keeps = issue(daemon, "brief")
    daemon.write_policy(text.replace("main/reader:", "main/other:"))
    plan = planned(daemon)
    assert (changes(plan)["role:main/reader"], plan["lease_impact"]["revoked"]) == ("delete", 3)
    assert leasehold(daemon, "apply", "--yes").returncode == 0
    assert postgres.accounts() in ([keeps["data"]["username"]], [])


def test_a_shorter_maximum_is_enforced_at_once_where_the_role_says_so(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.start()
    issued = issue(daemon)
    wanted = "    on_change: enforce\n    default_ttl: 5m\n    max_ttl: 10m"
    daemon.write_policy(
        policy_for(postgres).replace("    default_ttl: 1h\n    max_ttl: 24h", wanted)
    )
    daemon.process.send_signal(signal.SIGHUP)
    lease = {"lease_id": issued["lease_id"]}
    eventually(
        lambda: daemon.request("PUT", "/v1/sys/leases/lookup", lease).data["ttl"] <= 600,
        what="the nearer end",
    )
    user = issued["data"]["username"]
    until = f"SELECT extract(epoch FROM rolvaliduntil - now()) FROM pg_roles WHERE rolname='{user}'"
    eventually(lambda: float(str(postgres.execute(until)[0][0])) < 700)
    assert "shortened" in (daemon.state / "audit.jsonl").read_text()


def test_an_engine_and_its_password_may_go_and_every_lease_still_ends_at_its_time(
    daemon: Daemon, postgres: PostgresServer, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(postgres.password)
    secret.chmod(0o600)
    text = policy_for(postgres).replace("env:TEST_PG_PASSWORD", f"file:{secret}")
    text = text.replace("default_ttl: 2s", "default_ttl: 8s")  # it lives through the restart
    text += "safety: {max_deletes: 9, max_delete_pct: 100}\n"
    daemon.write_policy(text)
    daemon.flags = ("--apply", "manual")
    daemon.start()
    issue(daemon, "brief")
    tail = text.partition("engines:")[2]
    kept = "engines:\n  spare:" + tail.partition("  main:")[2].partition("roles:")[0]
    kept = kept.replace("mount: database", "mount: spare").replace(f"file:{secret}", "env:SPARE")
    kept += "roles:\n  spare/reader: {member_of: [app_readonly]}\nidentities:" + tail.partition(
        "identities:"
    )[2].replace("database/creds/*", "spare/creds/*")
    daemon.env = {**daemon.env, "SPARE": postgres.password}
    daemon.write_policy(kept)
    daemon.stop()
    daemon.start()
    assert changes(planned(daemon))["engine:main"] == "drain"
    done = leasehold(daemon, "apply", "--yes")
    assert done.returncode == 0, done.stderr
    secret.unlink()
    daemon.stop()
    daemon.start()
    eventually(lambda: postgres.accounts() == [], what="the account's end")


@pytest.mark.parametrize(
    "point", ["apply.planned", "store.commit", "audit.append", "apply.written", "enforce.page"]
)
def test_a_kill_inside_an_apply_leaves_the_old_or_the_new_generation(
    daemon: Daemon, postgres: PostgresServer, point: str
) -> None:
    text = policy_for(postgres)
    revoking = text.replace("  main/reader:", "  main/reader:\n    on_removal: revoke")
    daemon.write_policy(revoking)
    daemon.flags = ("--apply", "manual")
    daemon.start()
    old = issue(daemon)["data"]["username"]
    daemon.stop()
    after = {"store.commit": 1, "audit.append": 1}.get(point, 0)
    daemon.start(failpoints={point: {"action": "kill", "after": after}})
    daemon.write_policy(text.replace("main/reader:", "main/other:"))
    leasehold(daemon, "apply", "--yes")
    assert daemon.wait_dead() == -9
    daemon.start()
    generation = daemon.request("GET", "/v1/leasehold/status").data["generation"]
    if generation == 1:
        assert issue(daemon, "reader")["lease_id"]
        assert daemon.request("GET", "/v1/database/creds/other").status == 400
        assert old in postgres.accounts()
    else:
        assert generation == 2
        assert daemon.request("GET", "/v1/database/creds/reader").status == 400
        eventually(lambda: old not in postgres.accounts(), what="the order's end")


def test_an_offline_plan_needs_no_daemon(postgres: PostgresServer, tmp_path: Path) -> None:
    for name, text in (("old", policy_for(postgres)), ("new", renamed(postgres))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "policy.yaml").write_text(text)
    command = [sys.executable, "-m", "leasehold", "plan", str(tmp_path / "new"), "--offline"]
    command += ["--base", str(tmp_path / "old"), "--markdown", str(tmp_path / "plan.md")]
    done = subprocess.run(
        [*command, "--detailed-exitcode"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "live leases are not known offline" in done.stdout
    assert "+ create role:main/quick" in done.stdout
    assert (tmp_path / "plan.md").read_text().startswith("### leasehold plan: 1 create, 1 delete")


def test_what_was_applied_is_listed_with_who_and_from_where(
    manual: Daemon, postgres: PostgresServer
) -> None:
    manual.write_policy(renamed(postgres))
    leasehold(manual, "apply", "--yes")
    lines = leasehold(manual, "generations").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["NUMBER", "2", "1"]
    assert " tests " in lines[1]
    assert str(manual.policies) in lines[1]
