"""P1 and P3: whatever instant the daemon is killed at, accounts and leases agree afterwards.

The census asks the server itself: the accounts that bear our mark, against the leases that are
live. `LEASEHOLD_KILLS` sets how many random kills the last test makes.
"""

import http.client
import os
import random
import threading
from typing import Any

import pytest

from servers.daemon import Daemon, eventually
from servers.operator import offline
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers

KILLS = int(os.environ.get("LEASEHOLD_KILLS", "12"))
ISSUE = [
    "issue.before-intent",
    "issue.intended",
    "postgresql.issue.sent",
    "issue.created",
    "issue.activated",
    "store.commit",
    "audit.append",
]
RENEW = ["renew.before-target", "renew.moved", "renew.written"]
STARTING = {"store.commit": 2, "audit.append": 2}
"""How often a start passes a point before the first request does."""
REVOKE = ["revoke.intended", "postgresql.revoke.disabled", "revoke.removed", "revoke.written"]
OURS = "^lh[a-z2-7]{4}_[a-z2-7]{16}_[a-z2-7]{4}$"


def accounts(postgres: PostgresServer) -> set[str]:
    return set(postgres.accounts(OURS))


def live_leases(daemon: Daemon) -> dict[str, str]:
    """Accounts by state, of all leases that are not tombstones."""
    live: dict[str, str] = {}
    after = ""
    while True:
        page = daemon.request("GET", f"/v1/leasehold/leases?limit=500&after={after}").data
        for lease in page["leases"]:
            if lease["state"] != "revoked":
                live[lease["account"]] = lease["state"]
        if page["next"] is None:
            return live
        after = page["next"]


def settled(daemon: Daemon, postgres: PostgresServer) -> bool:
    """Whether nothing is pending or being revoked, and both sides name the same accounts."""
    live = live_leases(daemon)
    return set(live.values()) <= {"active"} and accounts(postgres) == set(live)


def issue(daemon: Daemon) -> dict[str, Any]:
    return daemon.request("GET", "/v1/database/creds/reader").json


def killed_during(daemon: Daemon, method: str, path: str, body: object = None) -> None:
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request(method, path, body)
    assert daemon.wait_dead() == -9


@pytest.mark.parametrize("point", ISSUE)
def test_a_kill_during_issue_leaves_no_account_without_a_lease(
    daemon: Daemon, postgres: PostgresServer, point: str
) -> None:
    daemon.start(failpoints={point: {"action": "kill", "after": STARTING.get(point, 0)}})
    killed_during(daemon, "GET", "/v1/database/creds/reader")
    daemon.start()
    eventually(lambda: settled(daemon, postgres), what="the census")


@pytest.mark.parametrize("point", RENEW)
def test_a_kill_during_renew_keeps_the_lease_and_its_account(
    daemon: Daemon, postgres: PostgresServer, point: str
) -> None:
    daemon.start(failpoints={point: {"action": "kill"}})
    body = {"lease_id": issue(daemon)["lease_id"], "increment": 7200}
    killed_during(daemon, "PUT", "/v1/sys/leases/renew", body)
    daemon.start()
    eventually(lambda: settled(daemon, postgres), what="the census")
    assert list(live_leases(daemon).values()) == ["active"]
    assert daemon.request("PUT", "/v1/sys/leases/renew", body).json["lease_duration"] == 7200


@pytest.mark.parametrize("point", REVOKE)
def test_a_kill_during_revoke_is_caught_up(
    daemon: Daemon, postgres: PostgresServer, point: str
) -> None:
    daemon.start(failpoints={point: {"action": "kill"}})
    issued = issue(daemon)
    body = {"lease_id": issued["lease_id"]}
    user, password = issued["data"]["username"], issued["data"]["password"]
    with postgres.connect(user=user, password=password):  # or no session would have to be ended
        killed_during(daemon, "PUT", "/v1/sys/leases/revoke", body)
    daemon.start()
    eventually(lambda: not accounts(postgres), what="the account's end")
    eventually(lambda: not live_leases(daemon), what="the lease's end")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_random_kills_under_load_leave_both_sides_equal(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    dice = random.Random(os.environ.get("LEASEHOLD_SEED", "1"))
    daemon.flags = ("--audit-file-mb", "0.05")
    for _ in range(KILLS):
        point = dice.choice(ISSUE + RENEW + REVOKE)
        failpoints = {point: {"action": "kill", "after": dice.randrange(40)}}
        daemon.start(failpoints=failpoints, wait=False)
        if not ready_or_killed(daemon):
            continue  # what it caught up at its start met the point already
        load(daemon, dice.randrange(2**32))
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()
    daemon.start()
    eventually(lambda: settled(daemon, postgres), 60, "the census")
    audit = offline("audit", "verify", "--state-dir", daemon.state)
    assert audit.returncode == 0, audit.stdout


def ready_or_killed(daemon: Daemon) -> bool:
    """Whether the daemon serves; False when its failpoint killed it before it did."""
    try:
        daemon.wait_ready()
    except AssertionError:
        assert daemon.wait_dead(0) == -9
        return False
    return True


def load(daemon: Daemon, seed: int, callers: int = 6, rounds: int = 30) -> None:
    """Issue, renew and revoke from many callers until all is done or the daemon is dead."""

    def caller(number: int) -> None:
        dice = random.Random(seed + number)
        mine: list[str] = []
        for _ in range(rounds):
            try:
                move = dice.random()
                if move < 0.5 or not mine:
                    reply = daemon.request("GET", f"/v1/database/creds/{dice.choice(ROLES)}")
                    if reply.status == 200:
                        mine.append(reply.json["lease_id"])
                elif move < 0.75:
                    body = {"lease_id": dice.choice(mine), "increment": dice.randrange(1, 60)}
                    daemon.request("PUT", "/v1/sys/leases/renew", body)
                else:
                    body = {"lease_id": mine.pop(), "sync": True}
                    daemon.request("PUT", "/v1/sys/leases/revoke", body)
            except (OSError, http.client.HTTPException):
                return

    threads = [threading.Thread(target=caller, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


ROLES = ["reader", "brief"]
