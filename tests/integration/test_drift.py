"""Drift of a real PostgreSQL and of the policy, as an operator meets it at the command line."""

import pytest

from servers.daemon import Daemon, eventually, policy_for
from servers.operator import asked, audited, leasehold
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
PATH = "database/creds/reader"


def drift(daemon: Daemon) -> list[tuple[str, str]]:
    return [(each["about"], each["what"]) for each in asked(daemon, "drift")["findings"]]


def test_rights_of_the_administrator_are_missed_until_they_are_granted_again(
    daemon: Daemon, postgres: PostgresServer, keeper: str
) -> None:
    daemon.start()
    assert drift(daemon) == []
    postgres.execute(f"REVOKE pg_signal_backend FROM {keeper}; ALTER ROLE {keeper} NOCREATEROLE")
    assert drift(daemon) == [("engine:main", "right-missing")] * 2
    text = leasehold(daemon, "drift").stdout
    assert f'cannot make roles: ALTER ROLE "{keeper}" CREATEROLE;' in text
    assert leasehold(daemon, "drift", "--detailed-exitcode").returncode == 2
    postgres.execute(f"GRANT pg_signal_backend TO {keeper}; ALTER ROLE {keeper} CREATEROLE")
    assert leasehold(daemon, "drift", "--detailed-exitcode").stdout == "no drift\n"
    events = [line["event"] for line in audited(daemon) if line["event"].startswith("drift-")]
    assert events == ["drift-found"] * 2 + ["drift-cleared"] * 2


def test_an_altered_password_of_the_administrator_is_found_while_connections_are_open(
    daemon: Daemon, postgres: PostgresServer, keeper: str
) -> None:
    daemon.start()
    assert daemon.request("GET", f"/v1/{PATH}").status == 200
    postgres.execute(f"ALTER ROLE {keeper} PASSWORD 'somebody else''s'")
    assert drift(daemon) == [("engine:main", "admin-refused")]
    assert "refuses the administrator's login" in leasehold(daemon, "status").stdout
    postgres.execute(f"ALTER ROLE {keeper} PASSWORD '{postgres.password}'")
    eventually(lambda: drift(daemon) == [])  # after a refused login the next is made in seconds


def test_another_cluster_in_its_place_is_found_and_ends_no_lease(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.start()
    assert drift(daemon) == []
    held = daemon.request("GET", f"/v1/{PATH}").json
    brief = daemon.request("GET", "/v1/database/creds/brief").json
    other = PostgresServer()
    other.start().reset()
    other.execute(f"ALTER ROLE {other.admin} PASSWORD '{postgres.password}'")
    other.stop()
    other.port, other.password = postgres.port, postgres.password
    postgres.stop()
    try:
        other.start()
        eventually(lambda: drift(daemon) == [("engine:main", "target-changed")])
        report = asked(daemon, "orphans")
        assert report["findings"] == [], "an empty list from another cluster proves nothing"
        lease = {"lease_id": held["lease_id"]}
        assert daemon.request("PUT", "/v1/sys/leases/revoke", lease).status == 202
        eventually(
            lambda: {each["state"] for each in asked(daemon, "leases")["leases"]} == {"revoking"},
            what="both leases on their way",
        )
        degraded = "\n".join(daemon.request("GET", "/v1/leasehold/status").data["degraded"])
        assert "leads to postgresql:" in degraded
    finally:
        other.remove()
        postgres.start()
    eventually(lambda: drift(daemon) == [], what="the first cluster to be back")
    eventually(lambda: asked(daemon, "leases")["leases"] == [], what="the end of both leases")
    for issued in (held, brief):
        assert issued["data"]["username"] not in postgres.accounts()


def test_another_cluster_can_be_accepted(daemon: Daemon, postgres: PostgresServer) -> None:
    daemon.start()
    assert drift(daemon) == []
    other = PostgresServer()
    other.start().reset()
    other.execute(f"ALTER ROLE {other.admin} PASSWORD '{postgres.password}'")
    other.stop()
    other.port, other.password = postgres.port, postgres.password
    postgres.stop()
    try:
        other.start()
        eventually(lambda: drift(daemon) == [("engine:main", "target-changed")])
        assert leasehold(daemon, "drift", "--accept", "main").stdout == "no drift\n"
        done = leasehold(daemon, "drift", "--accept", "mian")
        assert (done.returncode, "engines are main" in done.stderr) == (1, True)
    finally:
        other.remove()
        postgres.start()


def test_a_target_that_is_away_leaves_orphans_unseen_and_says_so(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.start()
    postgres.stop()
    try:
        eventually(lambda: drift(daemon) == [("engine:main", "unreachable")])
        done = leasehold(daemon, "orphans")
        assert done.returncode == 1
        assert "engine main was not looked at: " in done.stderr
    finally:
        postgres.start()


def test_a_policy_that_is_not_served_is_drift(daemon: Daemon, postgres: PostgresServer) -> None:
    daemon.flags = ("--apply", "manual")
    daemon.start()
    assert drift(daemon) == []
    daemon.write_policy(policy_for(postgres).replace("main/brief:", "main/quick:"))
    eventually(lambda: drift(daemon) == [("policy", "not-served")])
    assert leasehold(daemon, "apply", "--yes").returncode == 0
    assert drift(daemon) == []


def figures(daemon: Daemon) -> dict[str, float]:
    lines = leasehold(daemon, "metrics").stdout.splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
    }


def test_drift_and_what_else_happened_can_be_read_as_metrics(
    daemon: Daemon, postgres: PostgresServer, keeper: str
) -> None:
    daemon.start()
    assert daemon.request("GET", f"/v1/{PATH}").status == 200
    assert drift(daemon) == []
    before = figures(daemon)
    assert before['leasehold_leases{state="active"}'] == 1
    assert before['leasehold_events_total{type="issued"}'] == 1
    assert before['leasehold_events_total{type="drift-found"}'] == 0
    assert before['leasehold_engine_up{engine="main",type="postgresql"}'] == 1
    issues = 'method="GET",route="{mount}/{operation}/{role}",status="200"'
    assert before[f"leasehold_request_duration_seconds_count{{{issues}}}"] == 1
    assert not any(name.startswith("leasehold_findings{") for name in before)

    postgres.execute(f"ALTER ROLE {keeper} NOCREATEROLE")
    drift(daemon)
    seen = figures(daemon)
    assert drift(daemon) == [("engine:main", "right-missing")]
    again = figures(daemon)
    found = '{about="engine:main",kind="target",what="right-missing"}'
    first, last = (
        f"leasehold_finding_{which}_seen_timestamp_seconds" for which in ("first", "last")
    )
    assert seen[f"leasehold_findings{found}"] == again[f"leasehold_findings{found}"] == 1
    assert seen[first + found] == again[first + found] <= seen[last + found] < again[last + found]
    assert again['leasehold_events_total{type="drift-found"}'] == 1

    postgres.execute(f"ALTER ROLE {keeper} CREATEROLE")
    drift(daemon)
    over = figures(daemon)
    assert not any(name.startswith("leasehold_findings{") for name in over)
    assert over['leasehold_events_total{type="drift-cleared"}'] == 1


def test_metrics_come_in_one_format(daemon: Daemon) -> None:
    daemon.start()
    told = daemon.request("GET", "/v1/sys/metrics?format=json")
    assert (told.status, "allowed is prometheus" in told.json["errors"][0]) == (400, True)
