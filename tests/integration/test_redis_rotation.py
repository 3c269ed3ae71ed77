"""Passwords of users that stand: changed on every server of a set, or on none."""

import signal
from typing import Any

import pytest

from leasehold.plugin import EnginePermanent, EngineTemporary, ErrorClass, Secret
from leasehold_plugins.redis import RedisEngine
from servers.redis import RIGHTS, RedisServer, cluster_of, redis_server
from servers.redis_engines import ROLE, engine_for, opened, restart
from servers.redis_standing import NEW, TURNING, about, only_new_opens, passwords, stands

pytestmark = pytest.mark.servers


def credential(user: str, password: Secret = NEW) -> dict[str, str | Secret]:
    return {"username": user, "password": password}


def turning(*servers: RedisServer, **other: Any) -> RedisEngine:
    given = {"username": TURNING, "password": Secret("old"), **other}
    return engine_for(*servers, **given)


async def test_the_administrator_gets_another_password_on_every_server_and_saved(
    redis_standing: list[RedisServer],
) -> None:
    async with opened(turning(*redis_standing)) as engine:
        await engine.rotate_root(NEW)
        assert only_new_opens(redis_standing, TURNING)
        for server in redis_standing:
            assert passwords(server, TURNING)[0] in server.saved()
        async with opened(turning(*redis_standing, password=NEW)) as again:
            assert again.target_id == engine.target_id
            assert (await again.check([ROLE])).ok
            await again.rotate_root(NEW)
        assert only_new_opens(redis_standing, TURNING)


async def test_every_node_of_a_cluster_gets_the_password() -> None:
    with cluster_of(2) as nodes:
        stands(nodes, TURNING, *RIGHTS.split())
        async with opened(turning(nodes[0], discover="cluster")) as engine:
            await engine.rotate_root(NEW)
        assert only_new_opens(nodes, TURNING)


async def test_a_static_user_gets_its_password_everywhere_and_keeps_rules_and_sessions(
    redis_standing: list[RedisServer], redis_pair: RedisEngine
) -> None:
    with redis_standing[0].connect("billing", "old") as client:
        client.set("app:1", "x")
        await redis_pair.rotate_static("billing", NEW)
        assert client.get("app:1") == "x", "what is open stays open"
    assert only_new_opens(redis_standing, "billing")
    assert await redis_pair.login(credential("billing"))
    its = about(redis_standing[0], "billing")
    assert (its["keys"], its["commands"]) == ("~app:*", "+@all")


async def test_a_rotation_survives_a_crash_of_the_server() -> None:
    with redis_server() as server:
        stands([server], TURNING, *RIGHTS.split())
        async with opened(turning(server)) as engine:
            await engine.rotate_root(NEW)
        await restart(server, signal.SIGKILL)
        assert only_new_opens([server], TURNING)


async def test_while_a_server_is_away_no_server_is_told(redis_standing: list[RedisServer]) -> None:
    with redis_server(replica_of=redis_standing[0]) as other:
        stands([other], "billing")
        stands([other], TURNING, *RIGHTS.split())
        async with opened(turning(*redis_standing, other)) as engine:
            other.stop(signal.SIGKILL)
            for rotate in (engine.rotate_root(NEW), engine.rotate_static("billing", NEW)):
                with pytest.raises(EngineTemporary, match=f":{other.port} cannot be re") as told:
                    await rotate
                assert not told.value.outcome_unknown
            assert not any(each.can_log_in(TURNING, NEW.reveal()) for each in redis_standing)
            other.start()
            await engine.rotate_root(NEW)
            assert only_new_opens([*redis_standing, other], TURNING)


async def test_what_a_server_has_of_an_attempt_that_was_given_up_goes_with_the_next(
    redis_standing: list[RedisServer], redis_pair: RedisEngine
) -> None:
    redis_standing[1].ask("ACL", "SETUSER", "billing", ">given-up")
    await redis_pair.rotate_static("billing", NEW)
    assert only_new_opens(redis_standing, "billing")
    assert not redis_standing[1].can_log_in("billing", "given-up")


async def test_a_user_that_is_missing_somewhere_or_off_is_told_and_none_is_made(
    redis_standing: list[RedisServer], redis_pair: RedisEngine
) -> None:
    redis_standing[1].ask("ACL", "DELUSER", "billing")
    with pytest.raises(
        EnginePermanent, match=f":{redis_standing[1].port} has no user billing"
    ) as told:
        await redis_pair.rotate_static("billing", NEW)
    assert told.value.error_class is ErrorClass.ABSENT
    assert "billing" not in redis_standing[1].ask("ACL", "USERS")
    assert redis_standing[0].can_log_in("billing", "old")
    redis_standing[1].ask("ACL", "SETUSER", "billing", "off", ">old")
    with pytest.raises(EnginePermanent, match="ACL SETUSER billing on"):
        await redis_pair.rotate_static("billing", NEW)
    assert redis_standing[0].can_log_in("billing", "old")


async def test_without_the_right_at_one_server_the_refusal_says_what_to_grant(
    redis_standing: list[RedisServer],
) -> None:
    async with opened(turning(*redis_standing)) as engine:
        redis_standing[1].ask("ACL", "SETUSER", TURNING, "-acl|setuser")
        with pytest.raises(EnginePermanent, match=r"\+acl\|setuser") as told:
            await engine.rotate_root(NEW)
        assert told.value.error_class is ErrorClass.DENIED
    assert all(server.can_log_in(TURNING, "old") for server in redis_standing)


async def test_what_a_rotation_will_need_is_told_before_it(
    redis_standing: list[RedisServer],
) -> None:
    async with opened(turning(*redis_standing)) as engine:
        assert await engine.check_rotation("billing") == []
        redis_standing[0].ask("ACL", "SETUSER", "billing", "off")
        redis_standing[1].ask("ACL", "DELUSER", "billing")
        redis_standing[1].ask("ACL", "SETUSER", TURNING, "-acl|setuser")
        off, missing = await engine.check_rotation("billing")
        assert off.endswith(f":{redis_standing[0].port}: ACL SETUSER billing on")
        assert f":{redis_standing[1].port} has no user billing" in missing
        [refused] = await engine.check_rotation(None)
        where = f"127.0.0.1:{redis_standing[1].port}"
        line = f"cannot rotate {TURNING} at {where}: ACL SETUSER {TURNING} +acl|setuser"
        assert refused == line
        redis_standing[1].ask("ACL", "SETUSER", TURNING, "+acl|setuser")
        redis_standing[1].ask("ACL", "SETUSER", "billing", "on", ">old")
        redis_standing[0].ask("ACL", "SETUSER", "billing", "on")
        assert await engine.check_rotation("billing") == await engine.check_rotation(None) == []
        assert all(server.can_log_in("billing", "old") for server in redis_standing)


async def test_a_server_that_would_forget_the_password_is_told_before_a_rotation() -> None:
    with redis_server(aclfile=False) as server:
        server.ask("ACL", "SETUSER", TURNING, "on", ">old", *RIGHTS.split())
        async with opened(turning(server)) as engine:
            [line] = await engine.check_rotation(None)
            assert "has no aclfile" in line


async def test_a_password_that_could_not_be_kept_is_not_given() -> None:
    with redis_server() as server:
        stands([server], TURNING, *RIGHTS.split())
        async with opened(turning(server)) as engine:
            with (
                server.unable_to_save(),
                pytest.raises(EngineTemporary, match="ACL SAVE failed") as told,
            ):
                await engine.rotate_root(NEW)
            assert not told.value.outcome_unknown
            assert server.can_log_in(TURNING, "old")
    with redis_server(aclfile=False) as server:
        server.ask("ACL", "SETUSER", TURNING, "on", ">old", *RIGHTS.split())
        async with opened(turning(server)) as engine:
            with pytest.raises(EnginePermanent, match="no aclfile"):
                await engine.rotate_root(NEW)
        assert not server.can_log_in(TURNING, NEW.reveal())
