"""A daemon over a real Redis and its replica: a lease's life, kills, and what comes back."""

import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.daemon import Daemon, eventually
from servers.operator import asked, leasehold
from servers.redis import RedisServer, redis_server

pytestmark = pytest.mark.servers

POLICY = """\
engines:
  cache:
    type: redis
    connection:
      url: {primary.url}
      nodes: [{replica.url}]
      username: {primary.keeper}
      password: env:TEST_REDIS_PASSWORD
      statement_timeout: 2
roles:
  cache/reader:
    commands: [+@read]
    keys: ["app:*"]
    default_ttl: 1h
    max_ttl: 24h
  cache/brief:
    commands: [+@read]
    default_ttl: 2s
    max_ttl: 1m
identities:
  tests:
    owner: the-tests
    tenant: tests
    match: [{{unix: {{uid: {uid}}}}}]
access:
  - identities: [tests]
    paths: [cache/creds/*]
    verbs: [issue, renew, revoke, revoke-any, list]
  - identities: [tests]
    paths: ["*"]
    verbs: [operate]
"""
ISSUE = ["issue.intended", "redis.issue.sent", "issue.created", "issue.activated"]
REVOKE = ["revoke.intended", "redis.revoke.deleted", "revoke.removed", "revoke.written"]


@pytest.fixture
def both(redis_primary: RedisServer, redis_replica: RedisServer) -> list[RedisServer]:
    for server in (redis_primary, redis_replica):
        server.reset()
    return [redis_primary, redis_replica]


def daemon_for(primary: RedisServer, replica: RedisServer, folder: Path) -> Daemon:
    policy = POLICY.format(primary=primary, replica=replica, uid=os.getuid())
    return Daemon(folder, {"TEST_REDIS_PASSWORD": primary.password}, policy=policy)


@pytest.fixture
def redis_daemon(both: list[RedisServer], tmp_path: Path) -> Iterator[Daemon]:
    made = daemon_for(*both, tmp_path / "d")
    yield made
    made.stop()


def issue(daemon: Daemon, role: str = "reader") -> dict[str, Any]:
    reply = daemon.request("GET", f"/v1/cache/creds/{role}")
    assert reply.status == 200, reply.text
    return reply.json


def revoke(daemon: Daemon, issued: dict[str, Any]) -> int:
    body = {"lease_id": issued["lease_id"]}
    return daemon.request("PUT", "/v1/sys/leases/revoke", body).status


def test_a_credential_logs_in_everywhere_until_its_lease_is_revoked(
    redis_daemon: Daemon, both: list[RedisServer]
) -> None:
    redis_daemon.start()
    issued = issue(redis_daemon)
    user, password = issued["data"]["username"], issued["data"]["password"]
    assert all(server.can_log_in(user, password) for server in both)

    body = {"lease_id": issued["lease_id"], "increment": 7200}
    renewed = redis_daemon.request("PUT", "/v1/sys/leases/renew", body)
    assert renewed.json["lease_duration"] == 7200
    for server in both:
        [line] = [line for line in server.ask("ACL", "LIST") if user in line]
        until = int(line.partition("~leasehold-until:")[2].partition(" ")[0])
        assert 7200 < until - time.time() < 7290, "a grace after the lease"

    assert revoke(redis_daemon, issued) == 204
    assert not any(server.can_log_in(user, password) for server in both)
    assert not any(server.accounts() or user in server.saved() for server in both)


def test_a_lease_ends_with_nobody_asking(redis_daemon: Daemon, both: list[RedisServer]) -> None:
    redis_daemon.start()
    user = issue(redis_daemon, "brief")["data"]["username"]
    assert all(user in server.accounts() for server in both)
    eventually(lambda: not any(server.accounts() for server in both), 7, "the account's end")


@pytest.mark.parametrize("point", ISSUE)
def test_a_kill_during_issue_leaves_no_account(
    redis_daemon: Daemon, both: list[RedisServer], point: str
) -> None:
    redis_daemon.start(failpoints={point: {"action": "kill"}})
    with pytest.raises((OSError, http.client.HTTPException)):
        redis_daemon.request("GET", "/v1/cache/creds/brief")
    assert redis_daemon.wait_dead() == -9
    redis_daemon.start()
    eventually(lambda: not any(server.accounts() for server in both), what="the account's end")
    eventually(lambda: not any("user lh" in server.saved() for server in both), what="the save")


def test_a_kill_before_an_account_was_saved_leaves_that_to_the_next_start(
    redis_daemon: Daemon, both: list[RedisServer]
) -> None:
    redis_daemon.start()
    # It checks its engines when it starts, and saves then.
    eventually(lambda: asked(redis_daemon, "engines")["engines"][0]["version"], what="the check")
    with both[0].unable_to_save(), both[1].unable_to_save():
        user = issue(redis_daemon)["data"]["username"]
        redis_daemon.kill()
    assert not any(user in server.saved() for server in both)
    redis_daemon.start()
    for server in both:
        eventually(lambda server=server: user in server.saved(), what="the save")


@pytest.mark.parametrize("point", REVOKE)
def test_a_kill_during_revoke_is_caught_up(
    redis_daemon: Daemon, both: list[RedisServer], point: str
) -> None:
    redis_daemon.start(failpoints={point: {"action": "kill"}})
    issued = issue(redis_daemon)
    with pytest.raises((OSError, http.client.HTTPException)):
        revoke(redis_daemon, issued)
    assert redis_daemon.wait_dead() == -9
    redis_daemon.start()
    eventually(lambda: not any(server.accounts() for server in both), what="the account's end")
    eventually(lambda: not any("user lh" in server.saved() for server in both), what="the save")


def test_a_lease_is_not_over_while_a_replica_may_have_its_account(tmp_path: Path) -> None:
    with redis_server() as primary, redis_server(replica_of=primary) as replica:
        daemon = daemon_for(primary, replica, tmp_path / "d").start()
        try:
            issued = issue(daemon)
            user = issued["data"]["username"]
            eventually(lambda: user in replica.saved(), 2, "the save")
            replica.stop(signal.SIGKILL)
            assert revoke(daemon, issued) != 200
            assert not primary.accounts()
            [lease] = daemon.request("GET", "/v1/leasehold/leases").data["leases"]
            assert lease["state"] == "revoking"
            assert f"127.0.0.1:{replica.port} cannot be reached" in lease["last_error"]
            replica.start()
            assert replica.accounts()
            eventually(lambda: not replica.accounts(), 30, "the account's end")
        finally:
            daemon.stop()


def test_an_account_that_an_old_acl_file_brought_back_is_found_and_removed(
    redis_daemon: Daemon, both: list[RedisServer], tmp_path: Path
) -> None:
    redis_daemon.start()
    issued = issue(redis_daemon)
    user, password = issued["data"]["username"], issued["data"]["password"]
    replica = both[1]
    eventually(lambda: user in replica.saved(), 2, "the save")
    old = replica.saved()
    assert revoke(redis_daemon, issued) == 204
    replica.users.write_text(old)
    replica.ask("ACL", "LOAD")
    assert replica.can_log_in(user, password)
    [found] = asked(redis_daemon, "orphans")["findings"]
    assert (found["account"], found["what"]) == (user, "resurrected")
    done = leasehold(redis_daemon, "orphans", "--apply", "--export", str(tmp_path / "export.json"))
    assert done.returncode == 0, done.stderr
    assert not replica.can_log_in(user, password)
    assert user not in replica.saved()


def test_roles_are_drilled(redis_daemon: Daemon, both: list[RedisServer]) -> None:
    redis_daemon.start()
    done = leasehold(redis_daemon, "drill", "cache/creds/reader")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    assert not any(server.accounts() for server in both)


def test_the_engine_is_shown_as_it_is(redis_daemon: Daemon, both: list[RedisServer]) -> None:
    redis_daemon.start()
    issue(redis_daemon)
    [engine] = json.loads(leasehold(redis_daemon, "engines", "--json").stdout)["engines"]
    assert (engine["state"], engine["revocability"]) == ("ready", "immediate")
    assert engine["rehearsal"] is True
    assert engine["missing"] == []
    about = both[0].ask("INFO", "server")
    assert engine["version"].split()[-1] == about.get("valkey_version", about["redis_version"])
