"""A lease of a MySQL account from end to end, and with the daemon killed in between."""

import http.client
import os
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from servers.daemon import Daemon, eventually
from servers.mysql import MysqlServer

pytestmark = pytest.mark.servers

POLICY = """\
engines:
  main:
    type: mysql
    mount: database
    connection:
      url: "mysql://127.0.0.1:{port}"
      username: "{username}"
      password: env:TEST_MYSQL_PASSWORD
      statement_timeout: 1
roles:
  main/reader:
    member_of: [app_readonly]
    default_ttl: 1h
identities:
  tests:
    owner: the-tests
    tenant: tests
    match: [{{unix: {{uid: {uid}}}}}]
access:
  - identities: [tests]
    paths: [database/creds/*]
    verbs: [issue, renew, revoke, revoke-any, list]
  - identities: [tests]
    paths: ["*"]
    verbs: [operate]
"""
OURS = "^lh[a-z2-7]{4}_[a-z2-7]{16}_[a-z2-7]{4}$"
PATH = "/v1/database/creds/reader"


@pytest.fixture
def daemon(mysql: MysqlServer, tmp_path: Path) -> Iterator[Daemon]:
    mysql.reset()
    policy = POLICY.format(port=mysql.port, username=mysql.admin, uid=os.getuid())
    made = Daemon(tmp_path / "d", {"TEST_MYSQL_PASSWORD": mysql.password}, policy=policy)
    yield made
    made.stop()


def states(daemon: Daemon) -> dict[str, str]:
    leases = daemon.request("GET", "/v1/leasehold/leases?limit=500").data["leases"]
    return {it["account"]: it["state"] for it in leases if it["state"] != "revoked"}


def settled(daemon: Daemon, mysql: MysqlServer) -> bool:
    live = states(daemon)
    return set(live.values()) <= {"active"} and set(mysql.accounts(OURS)) == set(live)


def test_a_lease_is_issued_used_renewed_and_revoked(daemon: Daemon, mysql: MysqlServer) -> None:
    daemon.start()
    issued = daemon.request("GET", PATH).json
    [engine] = daemon.request("GET", "/v1/leasehold/engines").data["engines"]
    assert (engine["state"], engine["missing"]) == ("ready", [])
    user, password = issued["data"]["username"], issued["data"]["password"]
    with mysql.connect("app", user=user, password=password) as session:
        session.cursor().execute("SELECT COUNT(*) FROM items")
        renewal = {"lease_id": issued["lease_id"], "increment": 7200}
        renewed = daemon.request("PUT", "/v1/sys/leases/renew", renewal)
        assert renewed.json["lease_duration"] == 7200
        body = {"lease_id": issued["lease_id"], "sync": True}
        assert daemon.request("PUT", "/v1/sys/leases/revoke", body).status == 204
        with pytest.raises(pymysql.OperationalError):
            session.cursor().execute("SELECT 1")
    assert not mysql.can_log_in(user, password)
    assert settled(daemon, mysql)
    assert password not in daemon.log.read_text()


def test_a_kill_when_an_account_is_half_made_leaves_none(
    daemon: Daemon, mysql: MysqlServer
) -> None:
    daemon.start(failpoints={"mysql.issue.sent": {"action": "kill"}})
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("GET", PATH)
    assert daemon.wait_dead() == -9
    assert len(mysql.accounts(OURS)) == 1
    daemon.start()
    eventually(lambda: settled(daemon, mysql), what="the census")
    assert mysql.accounts(OURS) == []


def test_a_kill_during_revoke_is_caught_up(daemon: Daemon, mysql: MysqlServer) -> None:
    daemon.start(failpoints={"mysql.revoke.disabled": {"action": "kill"}})
    issued = daemon.request("GET", PATH).json
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("PUT", "/v1/sys/leases/revoke", {"lease_id": issued["lease_id"]})
    assert daemon.wait_dead() == -9
    user, password = issued["data"]["username"], issued["data"]["password"]
    assert not mysql.can_log_in(user, password)
    assert mysql.accounts(OURS) == [user]
    daemon.start()
    eventually(lambda: mysql.accounts(OURS) == [], what="the account's end")
    eventually(lambda: states(daemon) == {}, what="the lease's end")
