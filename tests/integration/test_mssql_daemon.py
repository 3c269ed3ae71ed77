"""A lease of an SQL Server account from end to end, and with the daemon killed in between.

The daemon and its driver are real; the server is a fake that speaks as much of TDS as they need.
"""

import http.client
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.mssql import FakeServer, Login
from fakes.mssql_engine import new_server
from fakes.tds_front import TdsFront
from leasehold_plugins.mssql.address import read
from leasehold_plugins.mssql.link import Lost, SqlError
from leasehold_plugins.mssql.tds import Tds, dial
from servers.daemon import Daemon, eventually
from servers.operator import asked, leasehold

POLICY = """\
engines:
  main:
    type: mssql
    mount: database
    connection:
      url: "mssql://127.0.0.1:{port}/app"
      username: leasehold
      password: env:TEST_MSSQL_PASSWORD
      statement_timeout: 1
roles:
  main/reader:
    member_of: [app_readonly]
    databases: [app, reports]
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
PATH = "/v1/database/creds/reader"


@pytest.fixture
def front() -> Iterator[TdsFront]:
    made = TdsFront(new_server())
    yield made
    made.close()


@pytest.fixture
def daemon(front: TdsFront, tmp_path: Path) -> Iterator[Daemon]:
    policy = POLICY.format(port=front.port, uid=os.getuid())
    made = Daemon(tmp_path / "d", {"TEST_MSSQL_PASSWORD": "adm1n"}, policy=policy)
    yield made
    made.stop()


def log_in(front: TdsFront, user: str, password: str) -> Tds:
    return dial(read(f"mssql://127.0.0.1:{front.port}"), user, password, None, 2)


def ours(server: FakeServer) -> list[str]:
    """Logins of ours, and users of ours in any database."""
    names = set(server.logins).union(*(it.users for it in server.databases.values()))
    return [name for name in names if name.startswith("lh")]


def states(daemon: Daemon) -> dict[str, str]:
    leases = daemon.request("GET", "/v1/leasehold/leases?limit=500").data["leases"]
    return {it["account"]: it["state"] for it in leases if it["state"] != "revoked"}


def test_a_lease_is_issued_used_renewed_and_revoked(daemon: Daemon, front: TdsFront) -> None:
    daemon.start()
    issued = daemon.request("GET", PATH).json
    [engine] = daemon.request("GET", "/v1/leasehold/engines").data["engines"]
    assert (engine["state"], engine["missing"]) == ("ready", [])
    user, password = issued["data"]["username"], issued["data"]["password"]
    session = log_in(front, user, password)
    assert session.execute("SELECT SUSER_SNAME()") == [(user,)]
    renewal = {"lease_id": issued["lease_id"], "increment": 7200}
    assert daemon.request("PUT", "/v1/sys/leases/renew", renewal).json["lease_duration"] == 7200
    body = {"lease_id": issued["lease_id"], "sync": True}
    assert daemon.request("PUT", "/v1/sys/leases/revoke", body).status == 204
    with pytest.raises(Lost):
        session.execute("SELECT SUSER_SNAME()")
    session.close()
    with pytest.raises(SqlError):
        log_in(front, user, password)
    assert ours(front.server) == []
    assert password not in daemon.log.read_text()


def test_a_kill_when_an_account_is_half_made_leaves_none(daemon: Daemon, front: TdsFront) -> None:
    daemon.start(failpoints={"mssql.issue.sent": {"action": "kill"}})
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("GET", PATH)
    assert daemon.wait_dead() == -9
    assert len(ours(front.server)) == 1
    daemon.start()
    eventually(lambda: ours(front.server) == [], what="the census")


def test_a_kill_during_revoke_is_caught_up(daemon: Daemon, front: TdsFront) -> None:
    daemon.start(failpoints={"mssql.revoke.disabled": {"action": "kill"}})
    issued = daemon.request("GET", PATH).json
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("PUT", "/v1/sys/leases/revoke", {"lease_id": issued["lease_id"]})
    assert daemon.wait_dead() == -9
    user, password = issued["data"]["username"], issued["data"]["password"]
    with pytest.raises(SqlError) as told:
        log_in(front, user, password)
    assert told.value.number == 18470
    assert ours(front.server) == [user]
    daemon.start()
    eventually(lambda: ours(front.server) == [], what="the account's end")
    eventually(lambda: states(daemon) == {}, what="the lease's end")


@pytest.mark.parametrize(
    "point", ["rotation.intended", "rotation.set", "rotation.proved", "rotation.written"]
)
def test_a_kill_within_a_rotation_locks_nobody_out(
    daemon: Daemon, front: TdsFront, point: str
) -> None:
    daemon.start(failpoints={point: {"action": "kill"}})
    held = daemon.request("GET", PATH).json
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("POST", "/v1/database/rotate-root/main")
    assert daemon.wait_dead() == -9
    daemon.start()
    body = {"lease_id": held["lease_id"], "sync": True}
    assert daemon.request("PUT", "/v1/sys/leases/revoke", body).status == 204
    [standing] = asked(daemon, "rotations")["engines"]
    assert (standing["version"], standing["unsettled"]) == (1, False)
    assert not front.server.logins["leasehold"].opens("adm1n")


def test_a_static_role_is_rotated_and_given_out(daemon: Daemon, front: TdsFront) -> None:
    policy = daemon.policies / "policy.yaml"
    static = "static_roles:\n  main/billing: {username: billing, rotation: {every: 30d}}\n"
    text = policy.read_text().replace("creds/*]", "creds/*, database/static-creds/*]")
    policy.write_text(text.replace("identities:\n  tests", f"{static}identities:\n  tests"))
    front.server.logins["billing"] = Login("old", checked=True)
    daemon.start()
    told = leasehold(daemon, "rotate", "database/static-creds/billing")
    assert told.returncode == 0, told.stderr
    given = daemon.request("GET", "/v1/database/static-creds/billing").json["data"]
    log_in(front, given["username"], given["password"]).close()
    assert given["password"] not in daemon.log.read_text()
