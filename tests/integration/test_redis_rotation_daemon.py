"""A daemon that rotates passwords of a Redis and its replica, whatever is killed or away."""

import http.client
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.daemon import Daemon, eventually
from servers.operator import asked, leasehold
from servers.redis import RIGHTS, RedisServer
from servers.redis_standing import TURNING, only_new_opens, passwords, stands

pytestmark = pytest.mark.servers

POLICY = """\
engines:
  cache:
    type: redis
    connection:
      url: {primary.url}
      nodes: [{replica.url}]
      username: turning
      password: env:TEST_REDIS_PASSWORD
      statement_timeout: 1
roles:
  cache/reader: {{commands: [+@read], max_ttl: 1h}}
static_roles:
  cache/billing:
    username: billing
    rotation: {{every: 30d}}
identities:
  tests:
    owner: the-tests
    tenant: tests
    match: [{{unix: {{uid: {uid}}}}}]
access:
  - {{identities: [tests], paths: [cache/creds/*, cache/static-creds/*], verbs: [issue, revoke]}}
  - {{identities: [tests], paths: ["*"], verbs: [operate]}}
"""
ROTATE, CREDS, STATIC = (
    "/v1/cache/rotate-root/cache",
    "/v1/cache/creds/reader",
    "/v1/cache/static-creds/billing",
)
POINTS = ["redis.rotate.beside", "redis.rotate.alone"]


@pytest.fixture
def daemon(redis_standing: list[RedisServer], tmp_path: Path) -> Iterator[Daemon]:
    policy = POLICY.format(primary=redis_standing[0], replica=redis_standing[1], uid=os.getuid())
    made = Daemon(tmp_path / "d", {"TEST_REDIS_PASSWORD": "old"}, policy=policy)
    yield made
    made.stop()


def works(daemon: Daemon) -> bool:
    """Whether the administrator's rights are there: an account is made and taken away."""
    issued = daemon.request("GET", CREDS)
    if issued.status != 200:
        return False
    lease = {"lease_id": issued.json["lease_id"]}
    return daemon.request("PUT", "/v1/sys/leases/revoke", lease).status == 204


def test_after_a_rotation_only_the_daemon_knows_the_password(
    daemon: Daemon, redis_standing: list[RedisServer]
) -> None:
    daemon.start()
    held = daemon.request("GET", CREDS).json
    assert leasehold(daemon, "rotate-root", "cache").stdout == "cache: rotated\n"
    assert not any(server.can_log_in(TURNING, "old") for server in redis_standing)
    daemon.stop()
    daemon.env["TEST_REDIS_PASSWORD"] = "gone"
    daemon.start()
    assert works(daemon)
    lease = {"lease_id": held["lease_id"]}
    assert daemon.request("PUT", "/v1/sys/leases/revoke", lease).status == 204
    assert not any(server.accounts() for server in redis_standing)
    daemon.stop()
    daemon.env["TEST_REDIS_PASSWORD"] = "old"
    daemon.start()
    told = leasehold(daemon, "rotate-root", "cache", "--reset")
    assert told.returncode == 0, told.stderr
    assert all(server.can_log_in(TURNING, "old") for server in redis_standing)
    assert works(daemon)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("after", [0, 1])
def test_a_kill_at_any_server_within_a_rotation_locks_nobody_out(
    daemon: Daemon, redis_standing: list[RedisServer], point: str, after: int
) -> None:
    daemon.start(failpoints={point: {"action": "kill", "after": after}})
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("POST", ROTATE)
    assert daemon.wait_dead() == -9
    daemon.start()
    assert works(daemon), "it was settled before the first request"
    [standing] = asked(daemon, "rotations")["engines"]
    assert (standing["version"], standing["unsettled"]) == (1, False)
    assert asked(daemon, "drift")["findings"] == []
    assert not any(server.can_log_in(TURNING, "old") for server in redis_standing)
    assert all(len(passwords(server, TURNING)) == 1 for server in redis_standing)


def test_a_server_that_was_not_told_before_a_kill_and_is_away_after_it_is_told_when_it_is_back(
    daemon: Daemon, redis_standing: list[RedisServer]
) -> None:
    daemon.start(failpoints={POINTS[0]: {"action": "kill", "after": 1}})
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("POST", ROTATE)
    assert daemon.wait_dead() == -9
    stands(redis_standing[1:], TURNING, *RIGHTS.split())
    redis_standing[1].stop()
    try:
        daemon.start()
        assert works(daemon) is False, "an account may be on the replica that is away"
        [standing] = asked(daemon, "rotations")["engines"]
        assert standing["unsettled"]
    finally:
        redis_standing[1].start()
    eventually(lambda: works(daemon), 30, "the way in")
    [standing] = asked(daemon, "rotations")["engines"]
    assert (standing["version"], standing["unsettled"]) == (1, False)
    assert not any(server.can_log_in(TURNING, "old") for server in redis_standing)


def test_a_static_user_is_rotated_and_given_out_whatever_a_kill_left(
    daemon: Daemon, redis_standing: list[RedisServer]
) -> None:
    daemon.start(failpoints={POINTS[0]: {"action": "kill"}})
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("POST", "/v1/cache/rotate-role/billing")
    assert daemon.wait_dead() == -9
    daemon.start()
    eventually(lambda: daemon.request("GET", STATIC).status == 200, 20, "the password")
    found = daemon.request("GET", STATIC).data
    assert found["username"] == "billing"
    assert only_new_opens(redis_standing, "billing", found["password"])
