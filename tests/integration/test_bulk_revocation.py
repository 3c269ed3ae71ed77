"""Thousands of leases below a prefix, ended on a real PostgreSQL by a daemon that dies at it."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.rows import Written, write_leases
from servers.daemon import Daemon, Reply, eventually
from servers.operator import asked, audited, leasehold
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

COUNT = 2_000
FAST_S = 2.0
PREFIX = "/v1/sys/leases/revoke-prefix/database/creds/reader"
FORCE = "/v1/sys/leases/revoke-force/database/creds/reader"


def issue(daemon: Daemon, role: str = "reader") -> dict[str, Any]:
    return daemon.request("GET", f"/v1/database/creds/{role}").json


def filled(daemon: Daemon, postgres: PostgresServer, count: int) -> Written:
    """A daemon, stopped, with so many leases more, and their accounts."""
    daemon.start()
    like = issue(daemon)["lease_id"]
    daemon.stop()
    written = write_leases(daemon.state, like, count, 86_400)
    postgres.make_accounts(list(written.accounts))
    return written


def revoked(daemon: Daemon, path: str = PREFIX, **body: Any) -> Reply:
    began = time.monotonic()
    reply = daemon.request("POST", path, body)
    assert "sync" in body or time.monotonic() - began < 10
    return reply


def shown(daemon: Daemon, reply: Reply) -> dict[str, Any]:
    order = reply.headers["X-Leasehold-Revocation"]
    return daemon.request("GET", f"/v1/leasehold/revocations/{order}").data


def test_thousands_of_leases_end_although_the_daemon_is_killed_in_the_middle(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    written = filled(daemon, postgres, COUNT)
    daemon.start(failpoints={"enforce.page": {"action": "kill", "after": 3}})
    began = time.monotonic()
    reply = revoked(daemon, sync=False)
    assert reply.status == 202
    assert time.monotonic() - began < FAST_S
    assert daemon.wait_dead() == -9
    daemon.start(failpoints={"revoke.removed": {"action": "kill", "after": 2}})
    assert daemon.wait_dead() == -9
    daemon.start()
    mine = issue(daemon)
    seen = []
    eventually(lambda: seen.append(shown(daemon, reply)) or seen[-1]["finished_at"], what="the end")
    assert [each["total"] for each in seen] == [COUNT + 1] * len(seen)
    ended = [each["ended"] for each in seen]
    assert ended == sorted(ended)
    assert ended[-1] == COUNT + 1
    assert postgres.accounts() == [mine["data"]["username"]]
    page = daemon.request("GET", "/v1/leasehold/leases?state=active,revoking,disabled").data
    assert [lease["lease_id"] for lease in page["leases"]] == [mine["lease_id"]]
    lines = audited(daemon)
    assert [line["event"] for line in lines if "revocation" in line["event"]] == [
        "revocation-ordered",
        "revocation-finished",
    ]
    # A kill between a line and what it tells lets it be told twice, never not at all.
    hit = {(line["event"], line.get("lease")) for line in lines}
    told = Counter(event for event, lease in hit if lease in set(written.ids))
    assert told["revoking"] == told["revoked"] == COUNT


def test_the_reply_waits_as_it_is_asked_to(daemon: Daemon, postgres: PostgresServer) -> None:
    daemon.start()
    for path in (PREFIX, PREFIX.replace("leases/", ""), FORCE, FORCE.replace("leases/", "")):
        for body, status in (({}, 204), ({"sync": True}, 204), ({"sync": False}, 202)):
            issue(daemon)
            assert revoked(daemon, path, **body).status == status
            if status == 204:
                assert postgres.accounts() == []
    eventually(lambda: postgres.accounts() == [], what="the end of the accounts")


def test_the_old_names_of_the_routes_do_the_same(daemon: Daemon) -> None:
    daemon.start()
    lease_id = issue(daemon)["lease_id"]
    for suffix, body in (("", {"lease_id": lease_id}), (f"/{lease_id}", {})):
        asked = {**body, "increment": 600}
        assert daemon.request("PUT", f"/v1/sys/renew{suffix}", asked).json["lease_duration"] == 600
    assert daemon.request("PUT", "/v1/sys/revoke", {"lease_id": lease_id}).status == 204
    assert daemon.request("PUT", f"/v1/sys/revoke/{lease_id}").status == 204


def test_an_account_that_the_server_keeps_is_let_go_by_force_and_found_and_removed(
    daemon: Daemon, postgres: PostgresServer, keeper: str, tmp_path: Path
) -> None:
    """Somebody made it a superuser, which the daemon's administrator may not touch."""
    daemon.start()
    issued, other = issue(daemon), issue(daemon)
    user = issued["data"]["username"]
    postgres.execute(f'ALTER ROLE "{user}" SUPERUSER')
    done = leasehold(daemon, "lease", "revoke", "-prefix", "database/creds/reader")
    assert done.returncode == 7
    assert "1 of 2 leases ended, 1 failing: " in done.stdout
    assert "the daemon goes on" in done.stderr
    done = leasehold(daemon, "lease", "revoke", "-force", "-prefix", "database/creds/reader")
    assert done.returncode == 0
    assert "1 of 1 leases ended" in done.stdout
    assert "1 of them by force; their accounts may stand, leasehold orphans shows" in done.stderr
    assert postgres.accounts() == [user]
    assert asked(daemon, "lease", "list") == {"leases": []}
    [finding] = asked(daemon, "orphans")["findings"]
    assert (finding["account"], finding["what"], finding["removable"]) == (user, "forced", True)
    assert finding["lease_id"] == issued["lease_id"] != other["lease_id"]
    status = leasehold(daemon, "status").stdout
    assert "1 accounts may stand whose leases were ended by force" in status
    postgres.execute(f'ALTER ROLE "{user}" NOSUPERUSER')
    export = str(tmp_path / "orphans.json")
    assert leasehold(daemon, "orphans", "--apply", "--export", export).returncode == 0
    assert postgres.accounts() == []
    assert asked(daemon, "orphans")["findings"] == []


def test_leases_are_handled_at_the_command_line_as_with_vaults(daemon: Daemon) -> None:
    daemon.start()
    first, second = (issue(daemon)["lease_id"] for _ in range(2))
    listed = leasehold(daemon, "lease", "list", "database/creds/reader", "-field=lease_id")
    assert listed.stdout.split() == sorted([first, second])
    for increment in (("-increment=2h",), ("--increment", "2h")):
        renewed = asked(daemon, "lease", "renew", *increment, first)
        assert renewed == {"lease_id": first, "lease_duration": 7200, "renewable": True}
    assert 7000 < int(leasehold(daemon, "lease", "lookup", "-field=ttl", first).stdout) <= 7200
    assert leasehold(daemon, "lease", "lookup", "-field", "nothing", first).returncode == 1
    assert leasehold(daemon, "lease", "revoke", first).stdout == f"{first} revoked\n"
    assert asked(daemon, "lease", "lookup", second)["renewable"] is True
    refused = leasehold(daemon, "lease", "revoke", "-force", second)
    assert (refused.returncode, "--force goes with --prefix" in refused.stderr) == (1, True)
    order = asked(daemon, "lease", "revoke", "--prefix", "--no-wait", "database/creds")
    assert (order["prefix"], order["total"]) == ("database/creds/", 1)
    eventually(lambda: not asked(daemon, "lease", "list")["leases"], what="the end of all leases")
    assert asked(daemon, "lease", "revocations", order["id"])["ended"] == 1
    assert order["id"] in leasehold(daemon, "lease", "revocations").stdout
    assert leasehold(daemon, "lease", "revoke", "-prefix", "elsewhere").returncode == 1
