"""It is the same Redis, or nothing is said about its accounts."""

import pytest

from leasehold.plugin import (
    EnginePermanent,
    Secret,
    TargetChanged,
)
from leasehold.plugin.contract import REMOVED, EngineContract
from servers.redis import RedisServer, redis_server
from servers.redis_engines import ROLE, engine_for, opened, password_of, restart

pytestmark = pytest.mark.servers

make = EngineContract.issue
account_for = EngineContract.account


async def test_a_server_that_lost_its_acl_is_another_one() -> None:
    with redis_server(aclfile=False) as server:
        async with opened(engine_for(server)) as engine:
            account = account_for(engine, ROLE)
            await make(engine, account)
            await restart(server)
            with pytest.raises(TargetChanged):
                await engine.revoke(account)
            with pytest.raises(TargetChanged):
                await make(engine, account)
            assert engine.target_id != account.target


async def test_a_replica_that_lost_its_acl_is_taken_in_again() -> None:
    with (
        redis_server() as primary,
        redis_server(replica_of=primary, aclfile=False) as replica,
    ):
        async with opened(engine_for(primary, replica)) as engine:
            before = account_for(engine, ROLE)
            await make(engine, before)
            await restart(replica)
            account = account_for(engine, ROLE)
            password = password_of(await make(engine, account))
            assert account.target == before.target
            assert replica.can_log_in(account.name, password)
            assert await engine.revoke_many([before, account]) == [REMOVED, REMOVED]


async def test_another_server_at_the_same_place_is_never_taken_for_the_first() -> None:
    with redis_server() as first, redis_server() as second:
        async with opened(engine_for(first)) as engine:
            account = account_for(engine, ROLE)
            await make(engine, account)
        elsewhere = engine_for(second, password=Secret(second.password))
        async with opened(elsewhere) as engine:
            assert await engine.revoke_many([account]) != [REMOVED]
            with pytest.raises(TargetChanged):
                await engine.revoke(account)


async def test_two_sets_are_not_made_one(redis_primary: RedisServer) -> None:
    with redis_server(replica_of=redis_primary) as other:
        for server in (redis_primary, other):
            async with opened(engine_for(server)):
                pass
        with pytest.raises(EnginePermanent, match="different marks"):
            await engine_for(redis_primary, other).open()


async def test_a_mark_that_somebody_removed_is_left_again(redis_primary: RedisServer) -> None:
    async with opened(engine_for(redis_primary)) as engine:
        before = engine.target_id
        redis_primary.ask("ACL", "DELUSER", "leasehold-target")
        await engine.check()
        assert engine.target_id == before
    async with opened(engine_for(redis_primary)) as engine:
        assert engine.target_id == before
