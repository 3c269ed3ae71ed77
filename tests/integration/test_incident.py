"""An incident over many leases on a real PostgreSQL, by a daemon that is killed twice at it."""

import json
import os
from pathlib import Path

import pytest

from bench.rows import write_leases
from servers.daemon import Daemon, eventually
from servers.operator import asked, audited, leasehold
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

COUNT = int(os.environ.get("LEASEHOLD_TEST_INCIDENT", "800"))
"""How many leases; LEASEHOLD_TEST_INCIDENT sets it, to try with more than a suite has time for."""


def test_thousands_end_although_the_daemon_is_killed_twice_and_the_report_counts_them(
    daemon: Daemon, postgres: PostgresServer, tmp_path: Path
) -> None:
    daemon.start()
    like = daemon.request("GET", "/v1/database/creds/reader").json["lease_id"]
    daemon.stop()
    written = write_leases(daemon.state, like, COUNT - 1, 86_400)
    postgres.make_accounts(list(written.accounts))
    daemon.start(failpoints={"incident.page": {"action": "kill", "after": 1}})
    match = ("--match", "tenant=tests,engine=main")
    assert asked(daemon, "incident", "preview", *match)["leases"] == COUNT
    opened = leasehold(daemon, "incident", "open", *match, "--reason", "T-1", "--json")
    assert opened.returncode == 7, "nobody said yes"
    incident = json.loads(opened.stdout)
    assert incident["preview"]["leases"] == COUNT == len(postgres.accounts())
    daemon.request("PUT", f"/v1/leasehold/incidents/{incident['id']}/revoke")
    assert daemon.wait_dead() == -9
    daemon.start(failpoints={"revoke.removed": {"action": "kill", "after": 1}}, wait=False)
    assert daemon.wait_dead() == -9
    daemon.start()
    refused = daemon.request("GET", "/v1/database/creds/reader")
    assert (refused.status, refused.json["code"]) == (423, "frozen")
    assert incident["id"] in refused.json["errors"][0]
    assert "T-1" not in refused.text

    def shown() -> dict[str, object]:
        return asked(daemon, "incident", "show", incident["id"])

    eventually(lambda: shown()["state"] == "revoked", what="the end of the incident")
    report = shown()["report"]
    assert (report["total"], report["revoked"], report["failing"]) == (COUNT, COUNT, 0)
    assert 0 < report["seconds"]["p50"] <= report["seconds"]["p99"] <= report["seconds"]["all"]
    assert postgres.accounts() == []
    markdown = leasehold(daemon, "incident", "show", incident["id"]).stdout
    assert f"| total    | {COUNT}" in markdown
    assert f"incident {incident['id']} is open" in leasehold(daemon, "status").stdout
    assert leasehold(daemon, "incident", "close", incident["id"]).returncode == 0
    assert daemon.request("GET", "/v1/database/creds/reader").status == 200
    told = [line["event"] for line in audited(daemon) if line["event"].startswith("incident-")]
    assert told == [
        "incident-opened",
        "incident-revoking",
        "incident-revoked",
        "incident-closed",
    ]
    (tmp_path / "incident.md").write_text(markdown)


def test_an_incident_is_handled_at_the_command_line(daemon: Daemon) -> None:
    daemon.start()
    daemon.request("GET", "/v1/database/creds/reader")
    match = ("--match", "tenant=tests", "--match", "engine=main")
    dry = leasehold(daemon, "incident", "open", *match, "--reason", "T-2", "--dry-run")
    assert (dry.returncode, "1 live leases match." in dry.stdout) == (0, True)
    assert leasehold(daemon, "incident", "list").stdout == "no incidents\n"
    done = leasehold(daemon, "incident", "open", *match, "--reason", "T-2", "--yes")
    assert done.returncode == 0, done.stderr
    assert "issue and renewal are frozen" in done.stdout
    [incident] = asked(daemon, "incident", "list")["incidents"]
    assert (incident["state"], incident["reason"]) == ("revoked", "T-2")
    read = leasehold(daemon, "read", "database/creds/reader")
    assert (read.returncode, f"incident {incident['id']}" in read.stderr) == (1, True)
    again = leasehold(daemon, "incident", "revoke", incident["id"], "--json")
    assert json.loads(again.stdout)["report"]["revoked"] == 1
    assert leasehold(daemon, "incident", "close", incident["id"]).returncode == 0
    wrong = leasehold(daemon, "incident", "preview", "--match", "tenant=tets")
    assert (wrong.returncode, "tenant=tets" in wrong.stderr) == (1, True)
