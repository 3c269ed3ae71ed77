"""Roles proved on a real PostgreSQL: at an apply, on demand, on schedule, and through a kill."""

import http.client
import json
import signal
import subprocess
import sys
from typing import Any

import psycopg
import pytest

from servers.daemon import Daemon, eventually, policy_for
from servers.postgres import PostgresServer, free_port

pytestmark = pytest.mark.servers

MAKE = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
KILLS = [
    "issue.intended",
    "postgresql.issue.sent",
    "issue.created",
    "issue.activated",
    "drill.login",
    "revoke.intended",
    "revoke.removed",
    "revoke.written",
]
DRILL = {"role": "database/creds/reader"}


def leasehold(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "leasehold", *arguments, "--socket", str(daemon.socket)],
        capture_output=True,
        text=True,
        timeout=90,
    )


def with_role(postgres: PostgresServer, role: str) -> str:
    """The policy with one role more, as YAML in JSON's manner."""
    return policy_for(postgres).replace("lease_limits:", f"  main/fresh: {role}\nlease_limits:")


def statements(**options: list[str]) -> str:
    return json.dumps(options)


def apply(daemon: Daemon, policy: str, *flags: str) -> subprocess.CompletedProcess[str]:
    daemon.write_policy(policy)
    return leasehold(daemon, "apply", "--yes", *flags)


def generation(daemon: Daemon) -> int:
    return daemon.request("GET", "/v1/leasehold/status").data["generation"]


def degraded(daemon: Daemon) -> list[str]:
    return daemon.request("GET", "/v1/leasehold/status").data["degraded"]


def ended(daemon: Daemon) -> list[dict[str, Any]]:
    """The leases of drills; none as long as one is not over."""
    leases = daemon.request("GET", "/v1/leasehold/leases?prefix=database/creds/").data["leases"]
    ours = [lease for lease in leases if lease["identity"] == "leasehold:drill"]
    return ours if {lease["state"] for lease in ours} == {"revoked"} else []


@pytest.fixture
def manual(daemon: Daemon) -> Daemon:
    """A daemon that applies only what a person applies."""
    daemon.flags = ("--apply", "manual")
    return daemon.start()


REFUSED = {
    "revocation": (
        {"creation_statements": [MAKE], "revocation_statements": ['DROP ROLL "{{name}}"']},
        "statement 1 of revocation_statements: PostgreSQL refused: SyntaxError (42601)",
    ),
    "missing table": (
        {"creation_statements": [MAKE, 'GRANT SELECT ON public.absent TO "{{name}}"']},
        "statement 2 of creation_statements: PostgreSQL refused: UndefinedTable (42P01)",
    ),
    "password that is not the account's": (
        {"creation_statements": ["CREATE ROLE \"{{name}}\" LOGIN PASSWORD 'x{{verifier}}'"]},
        "login: the target refuses the new credential",
    ),
}


@pytest.mark.parametrize(("role", "line"), REFUSED.values(), ids=REFUSED)
def test_a_role_that_does_not_work_is_refused_by_name(
    manual: Daemon, postgres: PostgresServer, role: dict[str, list[str]], line: str
) -> None:
    refused = apply(manual, with_role(postgres, statements(**role)))
    assert refused.returncode == 3
    assert "rehearsal-failed: role:main/fresh: " in refused.stderr
    assert line in refused.stderr
    assert "--allow-unsafe rehearsal-failed" in refused.stderr
    assert generation(manual) == 1
    assert postgres.accounts() == []
    [check] = json.loads(leasehold(manual, "plan", "--json").stdout)["checks"]
    assert (check["address"], check["result"]) == ("role:main/fresh", "pending")
    assert line in check["message"]


def test_what_failed_can_be_applied_by_somebody_who_says_so(
    manual: Daemon, postgres: PostgresServer
) -> None:
    policy = with_role(postgres, json.dumps({"member_of": ["not_made_yet"]}))
    assert apply(manual, policy).returncode == 3
    assert apply(manual, policy, "--allow-unsafe", "rehearsal-failed").returncode == 0
    assert generation(manual) == 2


def test_a_good_role_is_proved_once(manual: Daemon, postgres: PostgresServer) -> None:
    good = with_role(postgres, json.dumps({"member_of": ["app_readonly"], "max_ttl": "1h"}))
    manual.write_policy(good)
    [check] = json.loads(leasehold(manual, "plan", "--json").stdout)["checks"]
    assert (check["result"], check["ms"]) == ("pending", None)
    done = json.loads(leasehold(manual, "apply", "--yes", "--json").stdout)
    [check] = done["plan"]["checks"]
    assert (check["address"], check["result"], check["message"]) == ("role:main/fresh", "ok", "")
    assert 0 < check["ms"] < 10_000
    assert len(ended(manual)) == 1
    assert postgres.accounts() == []
    assert apply(manual, policy_for(postgres)).returncode == 0
    assert apply(manual, good.replace("1h", "2h")).returncode == 0
    assert len(ended(manual)) == 1, "it is remembered"


def test_a_role_of_a_target_that_is_away_is_told_and_holds_nothing_up(
    manual: Daemon, postgres: PostgresServer
) -> None:
    policy = with_role(postgres, json.dumps({"member_of": ["app_readonly"]}))
    spare = policy.partition("  main:\n")[2].partition("roles:")[0]
    spare = spare.replace(f":{postgres.port}/", f":{free_port()}/").replace("database\n", "spare\n")
    policy = policy.replace(
        "roles:\n", f"  spare:\n{spare}roles:\n  spare/far: {{member_of: [x]}}\n"
    )
    manual.write_policy(policy)
    done = leasehold(manual, "apply", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    far, fresh = json.loads(done.stdout)["plan"]["checks"][::-1]
    assert (far["address"], far["result"]) == ("role:spare/far", "skipped")
    assert "cannot be reached" in far["message"]
    assert fresh["result"] == "ok"


def test_a_pull_by_night_is_held_too(daemon: Daemon, postgres: PostgresServer) -> None:
    daemon.start()
    daemon.write_policy(with_role(postgres, json.dumps({"member_of": ["nobody"]})))
    daemon.process.send_signal(signal.SIGHUP)
    [line] = eventually(lambda: degraded(daemon))
    assert "held for a person" in line
    assert "rehearsal-failed: role:main/fresh: rehearsal: member_of" in line
    assert generation(daemon) == 1


def test_a_drill_shows_what_each_step_took(daemon: Daemon, postgres: PostgresServer) -> None:
    daemon.start()
    told = daemon.request("POST", "/v1/leasehold/drill", DRILL).data
    assert (told["result"], told["message"], told["by"]) == ("passed", "", "tests")
    assert list(told["steps"]) == ["issue", "login", "revoke", "refused"]
    assert told["ms"] == sum(told["steps"].values())
    assert told["account"] not in postgres.accounts()
    [lease] = ended(daemon)
    assert (lease["lease_id"], lease["cause"]) == (told["lease_id"], "drill")

    shown = leasehold(daemon, "drill", "database/creds/reader")
    assert shown.returncode == 0
    assert shown.stdout.splitlines()[0].split() == [
        *("ROLE", "RESULT", "ISSUE", "LOGIN", "REVOKE", "REFUSED", "TOTAL")
    ]
    history = leasehold(daemon, "drill", "database/creds/reader", "--history", "--json")
    found = json.loads(history.stdout)["history"]
    assert [each["lease_id"] for each in found][1:] == [told["lease_id"]]
    assert (
        daemon.request("POST", "/v1/leasehold/drill", {"role": "database/creds/no"}).status == 400
    )


def test_a_role_is_drilled_on_its_schedule(daemon: Daemon, postgres: PostgresServer) -> None:
    daemon.write_policy(with_role(postgres, "{member_of: [app_readonly], drill: {every: 1s}}"))
    daemon.start()
    path = "database/creds/fresh"

    def history() -> list[dict[str, Any]]:
        return daemon.request("GET", f"/v1/leasehold/drills?role={path}").data["history"]

    eventually(lambda: len(history()) >= 3, what="three drills")
    assert {(each["result"], each["by"]) for each in history()} == {("passed", "schedule")}
    [role] = daemon.request("GET", "/v1/leasehold/drills").data["roles"]
    assert (role["role"], role["every"], role["last"]["result"]) == (path, 1, "passed")
    assert "fresh" in leasehold(daemon, "drill", "--history").stdout
    assert leasehold(daemon, "drill").returncode == 0
    audit = (daemon.state / "audit.jsonl").read_text()
    assert "drill-passed" in audit


def test_a_failed_drill_degrades_the_daemon_until_one_passes(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.start()
    postgres.execute("REVOKE CREATE ON DATABASE app FROM app_readonly; DROP OWNED BY app_readonly")
    postgres.execute("DROP ROLE app_readonly")
    try:
        failed = leasehold(daemon, "drill", "database/creds/reader")
    finally:
        postgres.execute(
            "CREATE ROLE app_readonly NOLOGIN; GRANT CREATE ON DATABASE app TO app_readonly;"
            " GRANT SELECT ON items TO app_readonly"
        )
    assert failed.returncode == 1
    assert "issue: PostgreSQL refused: UndefinedObject (42704)" in failed.stdout
    line = "drill of database/creds/reader failed: issue: PostgreSQL refused: UndefinedObject"
    assert any(line in each for each in degraded(daemon))
    assert leasehold(daemon, "drill", "database/creds/reader").returncode == 0
    assert not any("drill" in each for each in degraded(daemon))


def test_an_account_that_a_drill_could_not_remove_is_not_joined_by_another(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    recipe = statements(creation_statements=[MAKE], revocation_statements=["SELECT 1/n FROM gate"])
    policy = with_role(postgres, recipe.replace("FROM gate", "FROM public.gate"))
    postgres.execute(
        "DROP TABLE IF EXISTS gate; CREATE TABLE gate (n int); INSERT INTO gate VALUES (1)"
    )
    daemon.write_policy(policy)
    daemon.start()
    path = {"role": "database/creds/fresh"}
    postgres.execute("UPDATE gate SET n = 0")
    for message in (
        "revoke: the account still stands",
        "the account of an earlier drill still stands",
    ):
        told = daemon.request("POST", "/v1/leasehold/drill", path).data
        assert (told["result"], told["message"][: len(message)]) == ("failed", message)
        assert len(postgres.accounts()) == 1
    with pytest.raises(psycopg.OperationalError):
        postgres.connect(user=postgres.accounts()[0], password="x")  # nobody can use it meanwhile
    postgres.execute("UPDATE gate SET n = 1")
    assert daemon.request("POST", "/v1/leasehold/drill", path).data["result"] == "passed"
    assert postgres.accounts() == []
    postgres.execute("DROP TABLE gate")


def test_a_session_of_somebody_else_survives_an_apply_and_a_drill(
    manual: Daemon, postgres: PostgresServer
) -> None:
    with postgres.connect() as session:
        policy = with_role(postgres, json.dumps({"member_of": ["app_readonly"]}))
        assert apply(manual, policy).returncode == 0
        assert manual.request("POST", "/v1/leasehold/drill", DRILL).data["result"] == "passed"
        assert session.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("point", [*KILLS, "postgresql.rehearse.made"])
def test_a_kill_while_an_apply_proves_a_role_leaves_no_account(
    daemon: Daemon, postgres: PostgresServer, point: str
) -> None:
    daemon.flags = ("--apply", "manual")
    daemon.start(failpoints={point: {"action": "kill"}})
    apply(daemon, with_role(postgres, json.dumps({"member_of": ["app_readonly"]})))
    assert daemon.wait_dead() == -9
    daemon.start()
    assert generation(daemon) == 1
    eventually(lambda: postgres.accounts() == [], what="the account's end")
    if point in KILLS:
        eventually(lambda: ended(daemon), what="the lease's end")


@pytest.mark.parametrize("point", KILLS)
def test_a_kill_within_a_drill_leaves_no_account(
    daemon: Daemon, postgres: PostgresServer, point: str
) -> None:
    daemon.start(failpoints={point: {"action": "kill"}})
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("POST", "/v1/leasehold/drill", DRILL)
    assert daemon.wait_dead() == -9
    daemon.start()
    eventually(lambda: postgres.accounts() == [], what="the account's end")
    assert daemon.request("POST", "/v1/leasehold/drill", DRILL).data["result"] == "passed"
