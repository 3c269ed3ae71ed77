"""A lease of a MongoDB account from end to end, and with the daemon killed in between.

The server is a fake that speaks the protocol, but for one life of a lease on FerretDB or the server
that is given.
"""

import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from clients.toolchains import WAIT_S
from fakes.mongod import ADMIN, PASSWORD, Mongod, mongod
from servers.daemon import Daemon, eventually
from servers.mongodb import MongoServer
from servers.operator import leasehold

pytestmark = pytest.mark.servers

POLICY = """\
engines:
  main:
    type: mongodb
    mount: database
    connection:
      url: "{url}"
      username: "{username}"
      password: env:TEST_MONGODB_PASSWORD
      statement_timeout: 2
roles:
  main/reader:
    roles: [{{role: read, db: app}}]
    default_ttl: 1h
  main/brief:
    creation_statements: '{{"db": "admin", "roles": [{{"role": "read", "db": "app"}}]}}'
    default_ttl: 2s
    max_ttl: 1m
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
PATH = "/v1/database/creds"
MAJORITY = {"w": "majority", "wtimeout": 1000}
ISSUE = ["issue.intended", "mongodb.issue.sent", "issue.created", "issue.activated"]
REVOKE = ["revoke.intended", "mongodb.revoke.dropped", "revoke.removed"]


def daemon_for(server: MongoServer, folder: Path) -> Daemon:
    policy = POLICY.format(url=server.url, username=server.admin, uid=os.getuid())
    return Daemon(folder, {"TEST_MONGODB_PASSWORD": server.password}, policy=policy)


@pytest.fixture
def fake() -> Iterator[Mongod]:
    with mongod() as fake:
        yield fake


@pytest.fixture
def server(fake: Mongod) -> MongoServer:
    return MongoServer(f"mongodb://{fake.address}/", ADMIN, PASSWORD)


@pytest.fixture
def daemon(server: MongoServer, tmp_path: Path) -> Iterator[Daemon]:
    made = daemon_for(server, tmp_path / "d")
    yield made
    made.stop()


def lives(daemon: Daemon, server: MongoServer) -> None:
    """A lease is issued, used, renewed and revoked, and then opens nothing."""
    daemon.start()
    issued = daemon.request("GET", f"{PATH}/reader").json
    [engine] = daemon.request("GET", "/v1/leasehold/engines").data["engines"]
    assert (engine["state"], engine["missing"]) == ("ready", [])
    user, password = issued["data"]["username"], issued["data"]["password"]
    source = issued["data"]["auth_source"]
    assert server.can_log_in(user, password, source)
    assert user in server.accounts()
    renewal = {"lease_id": issued["lease_id"], "increment": 7200}
    renewed = daemon.request("PUT", "/v1/sys/leases/renew", renewal)
    assert renewed.json["lease_duration"] == 7200
    body = {"lease_id": issued["lease_id"], "sync": True}
    assert daemon.request("PUT", "/v1/sys/leases/revoke", body).status == 204
    assert not server.can_log_in(user, password, source)
    assert user not in server.accounts()
    assert password not in daemon.log.read_text()


def test_a_credential_logs_in_until_its_lease_is_revoked(
    daemon: Daemon, server: MongoServer
) -> None:
    lives(daemon, server)


@pytest.mark.timeout(WAIT_S)
def test_a_credential_of_a_server_logs_in_until_its_lease_is_revoked(
    mongodb: MongoServer, tmp_path: Path
) -> None:
    daemon = daemon_for(mongodb, tmp_path / "d")
    try:
        lives(daemon, mongodb)
    finally:
        daemon.stop()


def test_a_lease_ends_with_nobody_asking_and_with_it_an_open_connection(
    daemon: Daemon, server: MongoServer
) -> None:
    daemon.start()
    data = daemon.request("GET", f"{PATH}/brief").data
    with server.client(data["username"], data["password"]) as client:
        client.app.items.find_one()
        eventually(lambda: server.accounts() == [], 10, "the account's end")
        with pytest.raises(OperationFailure):
            client.app.items.find_one()


@pytest.mark.parametrize("point", ISSUE)
def test_a_kill_during_issue_leaves_no_account(
    daemon: Daemon, server: MongoServer, point: str
) -> None:
    daemon.start(failpoints={point: {"action": "kill"}})
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("GET", f"{PATH}/brief")
    assert daemon.wait_dead() == -9
    assert len(server.accounts()) == (point != "issue.intended")
    daemon.start()
    eventually(lambda: server.accounts() == [], what="the account's end")


@pytest.mark.parametrize("point", REVOKE)
def test_a_kill_during_revoke_is_caught_up(
    daemon: Daemon, server: MongoServer, fake: Mongod, point: str
) -> None:
    daemon.start(failpoints={point: {"action": "kill"}})
    issued = daemon.request("GET", f"{PATH}/reader").json
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("PUT", "/v1/sys/leases/revoke", {"lease_id": issued["lease_id"]})
    assert daemon.wait_dead() == -9
    daemon.start()
    eventually(lambda: server.accounts() == [], what="the account's end")
    # Sessions are ended after that, also of an account that was dropped before the kill.
    ended = {"user": issued["data"]["username"], "db": "admin"}
    eventually(
        lambda: any(it["killAllSessions"] == [ended] for name, it in fake.seen if "kill" in name),
        what="the end of sessions",
    )


def test_roles_are_drilled_and_an_orphan_is_found(daemon: Daemon, server: MongoServer) -> None:
    daemon.start()
    done = leasehold(daemon, "drill", "database/creds/reader")
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.accounts() == []
    [engine] = json.loads(leasehold(daemon, "engines", "--json").stdout)["engines"]
    assert (engine["revocability"], engine["rehearsal"]) == ("immediate", False)
    data = daemon.request("GET", f"{PATH}/reader").data
    with MongoClient(server.url, username=ADMIN, password=PASSWORD) as client:
        client.admin.command({"dropUser": data["username"], "writeConcern": MAJORITY})
    found = json.loads(leasehold(daemon, "orphans", "--json").stdout)["findings"]
    assert [(it["account"], it["what"]) for it in found] == [(data["username"], "ghost")]
