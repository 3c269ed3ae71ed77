"""Passwords of users that stand: changed on every server of a set, or on none."""

import http.client
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from leasehold.plugin import EnginePermanent, EngineTemporary, ErrorClass, Secret
from leasehold_plugins.redis import RedisEngine
from servers.daemon import Daemon, eventually
from servers.operator import asked, leasehold
from servers.redis import RIGHTS, RedisServer, cluster_of, redis_server
from servers.redis_engines import ROLE, engine_for, opened, restart

pytestmark = pytest.mark.servers
NEW = Secret("a-password-of-a-test-0123456789")
TURNING = "turning"
"""The administrator whose password is changed; the tests go on with the others."""

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


def credential(user: str, password: Secret = NEW) -> dict[str, str | Secret]:
    return {"username": user, "password": password}


def stands(servers: Sequence[RedisServer], name: str, *rules: str) -> None:
    for server in servers:
        server.ask("ACL", "SETUSER", name, "reset", "on", ">old", *rules)
        server.ask("ACL", "SAVE")


def about(server: RedisServer, name: str) -> dict[str, Any]:
    found = server.ask("ACL", "GETUSER", name)
    return dict(zip(found[::2], found[1::2], strict=True))


def passwords(server: RedisServer, name: str) -> list[str]:
    return list(about(server, name)["passwords"])


def only_new_opens(servers: Sequence[RedisServer], name: str, new: str = NEW.reveal()) -> bool:
    return all(
        server.can_log_in(name, new)
        and not server.can_log_in(name, "old")
        and len(passwords(server, name)) == 1
        for server in servers
    )


@pytest.fixture
def pair(redis_primary: RedisServer, redis_replica: RedisServer) -> Iterator[list[RedisServer]]:
    servers = [redis_primary, redis_replica]
    stands(servers, TURNING, *RIGHTS.split())
    stands(servers, "billing", "~app:*", "+@all")
    yield servers
    for server in servers:
        server.ask("ACL", "DELUSER", TURNING, "billing")
        server.reset()


def turning(*servers: RedisServer, **other: Any) -> RedisEngine:
    given = {"username": TURNING, "password": Secret("old"), **other}
    return engine_for(*servers, **given)


async def test_the_administrator_gets_another_password_on_every_server_and_saved(
    pair: list[RedisServer],
) -> None:
    async with opened(turning(*pair)) as engine:
        await engine.rotate_root(NEW)
        assert only_new_opens(pair, TURNING)
        for server in pair:
            assert passwords(server, TURNING)[0] in server.saved()
        async with opened(turning(*pair, password=NEW)) as again:
            assert again.target_id == engine.target_id
            assert (await again.check([ROLE])).ok
            await again.rotate_root(NEW)
        assert only_new_opens(pair, TURNING)


async def test_every_node_of_a_cluster_gets_the_password() -> None:
    with cluster_of(2) as nodes:
        stands(nodes, TURNING, *RIGHTS.split())
        async with opened(turning(nodes[0], discover="cluster")) as engine:
            await engine.rotate_root(NEW)
        assert only_new_opens(nodes, TURNING)


async def test_a_static_user_gets_its_password_everywhere_and_keeps_rules_and_sessions(
    pair: list[RedisServer], redis_pair: RedisEngine
) -> None:
    with pair[0].connect("billing", "old") as client:
        client.set("app:1", "x")
        await redis_pair.rotate_static("billing", NEW)
        assert client.get("app:1") == "x", "what is open stays open"
    assert only_new_opens(pair, "billing")
    assert await redis_pair.login(credential("billing"))
    its = about(pair[0], "billing")
    assert (its["keys"], its["commands"]) == ("~app:*", "+@all")


async def test_a_rotation_survives_a_crash_of_the_server() -> None:
    with redis_server() as server:
        stands([server], TURNING, *RIGHTS.split())
        async with opened(turning(server)) as engine:
            await engine.rotate_root(NEW)
        await restart(server, signal.SIGKILL)
        assert only_new_opens([server], TURNING)


async def test_while_a_server_is_away_no_server_is_told(pair: list[RedisServer]) -> None:
    with redis_server(replica_of=pair[0]) as other:
        stands([other], "billing")
        stands([other], TURNING, *RIGHTS.split())
        async with opened(turning(*pair, other)) as engine:
            other.stop(signal.SIGKILL)
            for rotate in (engine.rotate_root(NEW), engine.rotate_static("billing", NEW)):
                with pytest.raises(EngineTemporary, match=f":{other.port} cannot be re") as told:
                    await rotate
                assert not told.value.outcome_unknown
            assert not any(each.can_log_in(TURNING, NEW.reveal()) for each in pair)
            other.start()
            await engine.rotate_root(NEW)
            assert only_new_opens([*pair, other], TURNING)


async def test_what_a_server_has_of_an_attempt_that_was_given_up_goes_with_the_next(
    pair: list[RedisServer], redis_pair: RedisEngine
) -> None:
    pair[1].ask("ACL", "SETUSER", "billing", ">given-up")
    await redis_pair.rotate_static("billing", NEW)
    assert only_new_opens(pair, "billing")
    assert not pair[1].can_log_in("billing", "given-up")


async def test_a_user_that_is_missing_somewhere_or_off_is_told_and_none_is_made(
    pair: list[RedisServer], redis_pair: RedisEngine
) -> None:
    pair[1].ask("ACL", "DELUSER", "billing")
    with pytest.raises(EnginePermanent, match=f":{pair[1].port} has no user billing") as told:
        await redis_pair.rotate_static("billing", NEW)
    assert told.value.error_class is ErrorClass.ABSENT
    assert "billing" not in pair[1].ask("ACL", "USERS")
    assert pair[0].can_log_in("billing", "old")
    pair[1].ask("ACL", "SETUSER", "billing", "off", ">old")
    with pytest.raises(EnginePermanent, match="ACL SETUSER billing on"):
        await redis_pair.rotate_static("billing", NEW)
    assert pair[0].can_log_in("billing", "old")


async def test_without_the_right_at_one_server_the_refusal_says_what_to_grant(
    pair: list[RedisServer],
) -> None:
    async with opened(turning(*pair)) as engine:
        pair[1].ask("ACL", "SETUSER", TURNING, "-acl|setuser")
        with pytest.raises(EnginePermanent, match=r"\+acl\|setuser") as told:
            await engine.rotate_root(NEW)
        assert told.value.error_class is ErrorClass.DENIED
    assert all(server.can_log_in(TURNING, "old") for server in pair)


async def test_a_password_that_could_not_be_kept_is_not_given() -> None:
    with redis_server() as server:
        stands([server], TURNING, *RIGHTS.split())
        async with opened(turning(server)) as engine:
            hidden = server.folder.rename(server.folder.with_suffix(".away"))
            try:
                with pytest.raises(EngineTemporary, match="ACL SAVE failed") as told:
                    await engine.rotate_root(NEW)
            finally:
                hidden.rename(server.folder)
            assert not told.value.outcome_unknown
            assert server.can_log_in(TURNING, "old")
    with redis_server(aclfile=False) as server:
        server.ask("ACL", "SETUSER", TURNING, "on", ">old", *RIGHTS.split())
        async with opened(turning(server)) as engine:
            with pytest.raises(EnginePermanent, match="no aclfile"):
                await engine.rotate_root(NEW)
        assert not server.can_log_in(TURNING, NEW.reveal())


@pytest.fixture
def daemon(pair: list[RedisServer], tmp_path: Path) -> Iterator[Daemon]:
    policy = POLICY.format(primary=pair[0], replica=pair[1], uid=os.getuid())
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
    daemon: Daemon, pair: list[RedisServer]
) -> None:
    daemon.start()
    held = daemon.request("GET", CREDS).json
    assert leasehold(daemon, "rotate-root", "cache").stdout == "cache: rotated\n"
    assert not any(server.can_log_in(TURNING, "old") for server in pair)
    daemon.stop()
    daemon.env["TEST_REDIS_PASSWORD"] = "gone"
    daemon.start()
    assert works(daemon)
    lease = {"lease_id": held["lease_id"]}
    assert daemon.request("PUT", "/v1/sys/leases/revoke", lease).status == 204
    assert not any(server.accounts() for server in pair)
    daemon.stop()
    daemon.env["TEST_REDIS_PASSWORD"] = "old"
    daemon.start()
    told = leasehold(daemon, "rotate-root", "cache", "--reset")
    assert told.returncode == 0, told.stderr
    assert all(server.can_log_in(TURNING, "old") for server in pair)
    assert works(daemon)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("after", [0, 1])
def test_a_kill_at_any_server_within_a_rotation_locks_nobody_out(
    daemon: Daemon, pair: list[RedisServer], point: str, after: int
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
    assert not any(server.can_log_in(TURNING, "old") for server in pair)
    assert all(len(passwords(server, TURNING)) == 1 for server in pair)


def test_a_static_user_is_rotated_and_given_out_whatever_a_kill_left(
    daemon: Daemon, pair: list[RedisServer]
) -> None:
    daemon.start(failpoints={POINTS[0]: {"action": "kill"}})
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("POST", "/v1/cache/rotate-role/billing")
    assert daemon.wait_dead() == -9
    daemon.start()
    eventually(lambda: daemon.request("GET", STATIC).status == 200, 20, "the password")
    found = daemon.request("GET", STATIC).data
    assert found["username"] == "billing"
    assert only_new_opens(pair, "billing", found["password"])
