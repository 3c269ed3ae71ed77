"""Passwords of users that stand on a MongoDB, rotated by a daemon that may be killed within.

The server is a fake that speaks the protocol; where FerretDB or a given server is, the engine's own
part is done there too.
"""

import http.client
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.toolchains import WAIT_S
from fakes.mongod import ADMIN, PASSWORD, Mongod, mongod
from leasehold.plugin import Secret
from servers.daemon import Daemon, eventually
from servers.mongodb import MongoServer
from servers.mongodb_engine import engine_for, opened, quiet
from servers.operator import asked, leasehold

pytestmark = [pytest.mark.servers, *quiet]

POLICY = """\
engines:
  main:
    type: mongodb
    mount: database
    connection:
      url: "{url}"
      username: root
      password: env:TEST_MONGODB_PASSWORD
      statement_timeout: 1
roles:
  main/reader:
    roles: [{{role: read, db: app}}]
static_roles:
  main/billing:
    username: billing
    rotation: {{every: 30d}}
identities:
  tests:
    owner: the-tests
    tenant: tests
    match: [{{unix: {{uid: {uid}}}}}]
access:
  - {{identities: [tests], paths: [database/*], verbs: [issue, revoke]}}
  - {{identities: [tests], paths: ["*"], verbs: [operate]}}
"""
CREDS, STATIC = "/v1/database/creds/reader", "/v1/database/static-creds/billing"
POINTS = ["rotation.intended", "rotation.set", "rotation.proved"]


@pytest.fixture
def fake() -> Iterator[Mongod]:
    with mongod() as fake:
        fake.users.add("billing", "old", [{"role": "read", "db": "app"}])
        yield fake


@pytest.fixture
def server(fake: Mongod) -> MongoServer:
    return MongoServer(f"mongodb://{fake.address}/", ADMIN, PASSWORD)


@pytest.fixture
def daemon(server: MongoServer, tmp_path: Path) -> Iterator[Daemon]:
    policy = POLICY.format(url=server.url, uid=os.getuid())
    made = Daemon(tmp_path / "d", {"TEST_MONGODB_PASSWORD": PASSWORD}, policy=policy)
    yield made
    made.stop()


def works(daemon: Daemon) -> bool:
    """Whether the administrator's rights are there: an account is made and taken away."""
    issued = daemon.request("GET", CREDS)
    if issued.status != 200:
        return False
    lease = {"lease_id": issued.json["lease_id"], "sync": True}
    return daemon.request("PUT", "/v1/sys/leases/revoke", lease).status == 204


def test_after_a_rotation_only_the_daemon_knows_the_password(
    daemon: Daemon, server: MongoServer
) -> None:
    daemon.start()
    assert leasehold(daemon, "rotate-root", "main").stdout == "main: rotated\n"
    assert not server.can_log_in(ADMIN, PASSWORD)
    daemon.stop()
    daemon.env["TEST_MONGODB_PASSWORD"] = "gone"
    daemon.start()
    assert works(daemon)
    daemon.stop()
    daemon.env["TEST_MONGODB_PASSWORD"] = PASSWORD
    daemon.start()
    told = leasehold(daemon, "rotate-root", "main", "--reset")
    assert told.returncode == 0, told.stderr
    assert server.can_log_in(ADMIN, PASSWORD)
    assert works(daemon)


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_within_a_rotation_locks_nobody_out(
    daemon: Daemon, server: MongoServer, point: str
) -> None:
    daemon.start(failpoints={point: {"action": "kill"}})
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("POST", "/v1/database/rotate-root/main")
    assert daemon.wait_dead() == -9
    assert server.can_log_in(ADMIN, PASSWORD) == (point == "rotation.intended")
    daemon.start()
    assert works(daemon), "it was settled before the first request"
    [standing] = asked(daemon, "rotations")["engines"]
    assert (standing["version"], standing["unsettled"]) == (1, False)
    assert asked(daemon, "drift")["findings"] == []
    assert not server.can_log_in(ADMIN, PASSWORD)


def test_a_static_user_is_rotated_and_given_out_whatever_a_kill_left(
    daemon: Daemon, server: MongoServer
) -> None:
    daemon.start(failpoints={"rotation.set": {"action": "kill"}})
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("POST", "/v1/database/rotate-role/billing")
    assert daemon.wait_dead() == -9
    daemon.start()
    eventually(lambda: daemon.request("GET", STATIC).status == 200, 20, "the password")
    found = daemon.request("GET", STATIC).data
    assert found["username"] == "billing"
    assert server.can_log_in("billing", found["password"])
    assert not server.can_log_in("billing", "old")


@pytest.mark.timeout(WAIT_S)
async def test_a_server_takes_other_passwords_for_users_that_stand(mongodb: MongoServer) -> None:
    new = Secret("a-password-of-a-test-0123456789")
    with mongodb.client(mongodb.admin, mongodb.password) as client:
        try:
            for name, roles in (("lhturning", ["root"]), ("lhbilling", [])):
                client.admin.command({"createUser": name, "pwd": "old", "roles": roles})
            other = {"username": "lhturning", "password": Secret("old")}
            async with opened(engine_for(**{"url": mongodb.url, **other})) as engine:
                await engine.rotate_static("lhbilling", new)
                assert await engine.login({"username": "lhbilling", "password": new})
                await engine.rotate_root(new)
            for name in ("lhturning", "lhbilling"):
                assert mongodb.can_log_in(name, new.reveal())
                assert not mongodb.can_log_in(name, "old")
        finally:
            for name in ("lhturning", "lhbilling"):
                client.admin.command({"dropUser": name})
