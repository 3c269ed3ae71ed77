"""Credentials as they are handed out by a real daemon, over a real PostgreSQL."""

import http.client

import pytest

from servers.daemon import Daemon, eventually, policy_for
from servers.operator import asked, audited, leasehold
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
PATH = "database/creds/reader"


def policy_with(postgres: PostgresServer, line: str) -> str:
    """The policy of the tests, with one more line for the role."""
    policy, role = policy_for(postgres), "  main/reader:\n"
    assert role in policy
    return policy.replace(role, f"{role}    {line}\n")


def test_a_credential_that_was_seen_to_work_says_since_when(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.write_policy(policy_with(postgres, "ready: {successes: 2, within: 10s}"))
    daemon.start()
    reply = daemon.request("GET", f"/v1/{PATH}")
    assert reply.status == 200
    assert reply.json["leasehold"]["ready_at"].endswith("Z")
    figures = leasehold(daemon, "metrics").stdout
    for quantile in ("0.5", "0.99"):
        labels = f'quantile="{quantile}",role="{PATH}"'
        assert f"leasehold_ready_duration_seconds{{{labels}}} 0." in figures
    assert f'leasehold_ready_duration_seconds_count{{role="{PATH}"}} 1.0' in figures
    told = [line["event"] for line in audited(daemon) if "lease" in line][:3]
    assert told == ["intended", "ready", "issued"]


def test_accounts_made_ahead_are_handed_out_and_outlive_no_kill(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.write_policy(policy_with(postgres, "warm: {accounts: 3}"))
    daemon.start()
    full = f'leasehold_warm_accounts{{role="{PATH}"}} 3.0'
    eventually(lambda: full in leasehold(daemon, "metrics").stdout, what="a full shelf")
    standing = set(postgres.accounts())
    assert len(standing) == 3
    reply = daemon.request("GET", f"/v1/{PATH}")
    name, password = reply.json["data"]["username"], reply.json["data"]["password"]
    assert name in standing
    assert postgres.can_log_in(name, password)
    assert reply.json["lease_duration"] == 3600
    eventually(lambda: full in leasehold(daemon, "metrics").stdout, what="a shelf filled again")

    daemon.kill()
    daemon.start()
    unused = standing - {name}
    eventually(lambda: not unused & set(postgres.accounts()), what="the end of what was forgotten")
    eventually(lambda: len(postgres.accounts()) == 4, what="a shelf filled anew")
    assert postgres.can_log_in(name, password)
    listed = asked(daemon, "leases", "database/creds/")
    assert {lease["identity"] for lease in listed["leases"]} == {"tests", "leasehold:warm"}


@pytest.mark.parametrize("point", ["warm.moved", "warm.handed"])
def test_a_kill_during_a_hand_over_leaves_no_account_without_a_lease(
    daemon: Daemon, postgres: PostgresServer, point: str
) -> None:
    daemon.write_policy(policy_with(postgres, "warm: {accounts: 1}"))
    daemon.start(failpoints={point: {"action": "kill"}})
    eventually(lambda: len(postgres.accounts()) == 1, what="a full shelf")
    [standing] = postgres.accounts()

    def handed_over() -> bool:
        try:
            daemon.request("GET", f"/v1/{PATH}")
        except (http.client.HTTPException, OSError):
            return True
        return False

    eventually(handed_over, what="a hand-over")
    assert daemon.wait_dead() == -9
    daemon.write_policy(policy_for(postgres))
    daemon.start()
    leases = asked(daemon, "leases", "database/creds/")["leases"]
    held = {it["account"] for it in leases if it["identity"] == "tests"}
    assert (standing in held) == (point == "warm.handed")
    eventually(lambda: set(postgres.accounts()) == held, what="the end of what nobody has")


def test_a_lease_is_replaced_from_the_command_line(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.write_policy(policy_with(postgres, "overlap: 59m\n    grace: 1m"))
    daemon.start()
    first = daemon.request("GET", f"/v1/{PATH}", {"ttl": "30m"}).json
    assert (first["leasehold"]["overlap"], first["leasehold"]["grace"]) == (3540, 60)
    new = asked(daemon, "lease", "replace", first["lease_id"])
    old_name, old_password = first["data"]["username"], first["data"]["password"]
    assert postgres.can_log_in(old_name, old_password)
    assert postgres.can_log_in(new["data"]["username"], new["data"]["password"])
    again = leasehold(daemon, "lease", "replace", first["lease_id"])
    assert again.returncode != 0
    assert f"was replaced already, by {new['lease_id']}" in again.stderr
    assert leasehold(daemon, "lease", "acknowledge", new["lease_id"]).returncode == 0
    assert postgres.accounts() == [new["data"]["username"]]


@pytest.mark.parametrize("point", ["replace.issued", "replace.moved", "replace.written"])
def test_a_kill_during_a_replacement_leaves_both_under_their_leases(
    daemon: Daemon, postgres: PostgresServer, point: str
) -> None:
    daemon.write_policy(policy_with(postgres, "overlap: 59m\n    grace: 1m"))
    daemon.start(failpoints={point: {"action": "kill"}})
    first = daemon.request("GET", f"/v1/{PATH}", {"ttl": "30m"}).json["lease_id"]
    with pytest.raises((http.client.HTTPException, OSError)):
        daemon.request("PUT", "/v1/leasehold/leases/replace", {"lease_id": first})
    assert daemon.wait_dead() == -9
    daemon.start()
    leases = asked(daemon, "leases", "database/creds/")["leases"]
    assert sorted(postgres.accounts()) == sorted(it["account"] for it in leases)
    again = daemon.request("PUT", "/v1/leasehold/leases/replace", {"lease_id": first})
    assert again.status == (400 if point == "replace.written" else 200)
