"""Redis does not replicate accounts, nor save them: the engine does, on every server of a set."""

import asyncio
import contextlib
import signal
from datetime import UTC, datetime, timedelta

import pytest

from leasehold.plugin import (
    Account,
    EngineTemporary,
    Removal,
    Stage,
)
from leasehold.plugin.contract import REMOVED, EngineContract
from leasehold_plugins.redis import RedisEngine
from leasehold_plugins.redis.rules import UNTIL
from servers.redis import RedisServer, cluster_of, redis_server
from servers.redis_engines import ROLE, engine_for, opened, password_of, restart, until_saved

pytestmark = pytest.mark.servers

make = EngineContract.issue
account_for = EngineContract.account


async def test_an_account_is_made_and_removed_on_every_named_server_and_saved_there(
    redis_pair: RedisEngine, redis_primary: RedisServer, redis_replica: RedisServer
) -> None:
    account = account_for(redis_pair, ROLE)
    password = password_of(await make(redis_pair, account))
    for server in (redis_primary, redis_replica):
        assert server.can_log_in(account.name, password)
        await until_saved(server, account.name)
    assert await redis_pair.revoke(account) == REMOVED
    for server in (redis_primary, redis_replica):
        assert not server.can_log_in(account.name, password)
        assert account.name not in server.saved()


async def test_replicas_are_found_where_that_is_asked_for(
    redis_primary: RedisServer, redis_replica: RedisServer
) -> None:
    for seed, other in ((redis_primary, redis_replica), (redis_replica, redis_primary)):
        async with opened(engine_for(seed, discover="replicas")) as engine:
            account = account_for(engine, ROLE)
            password = password_of(await make(engine, account))
            assert other.can_log_in(account.name, password)
            assert await engine.revoke(account) == REMOVED
            assert not other.can_log_in(account.name, password)


async def test_every_node_of_a_cluster_gets_the_account() -> None:
    with cluster_of(2) as nodes:
        async with opened(engine_for(nodes[0], discover="cluster")) as engine:
            assert (await engine.check([ROLE])).ok
            account = account_for(engine, ROLE)
            password = password_of(await make(engine, account))
            assert all(node.can_log_in(account.name, password) for node in nodes)
            nodes[1].stop(signal.SIGKILL)
            late = account_for(engine, ROLE)
            with pytest.raises(EngineTemporary, match=f"127.0.0.1:{nodes[1].port}"):
                await make(engine, late)
            with pytest.raises(EngineTemporary):
                await make(engine, late)  # now by what the look has found
            nodes[1].start()
            assert (await engine.check([ROLE])).ok
            assert await engine.revoke_many([account, late]) == [REMOVED, REMOVED]
            assert not any(node.accounts() for node in nodes)


async def test_a_server_of_a_cluster_by_itself_is_told() -> None:
    with cluster_of(1) as [node]:
        async with opened(engine_for(node)) as engine:
            assert any("discover: cluster" in line for line in (await engine.check()).missing)


async def test_while_a_replica_is_away_accounts_are_made_and_none_counts_as_gone() -> None:
    with redis_server() as primary, redis_server(replica_of=primary) as replica:
        async with opened(engine_for(primary, replica)) as engine:
            before = account_for(engine, ROLE)
            await make(engine, before)
            await until_saved(replica, before.name)
            replica.stop(signal.SIGKILL)
            with contextlib.suppress(EngineTemporary):
                await make(engine, account_for(engine, ROLE))  # whose connection breaks
            during = account_for(engine, ROLE)
            password = password_of(await make(engine, during))
            assert primary.can_log_in(during.name, password)
            health = await engine.check([ROLE])
            assert not health.ok
            assert f"127.0.0.1:{replica.port} cannot be reached" in health.reason
            with pytest.raises(EngineTemporary):
                await engine.revoke(before)
            assert before.name not in primary.accounts()
            with pytest.raises(EngineTemporary):
                [name async for name in engine.accounts("^lh")]
            replica.start()
            assert before.name in replica.accounts(), "what is gone on one stands on the other"
            assert (await engine.check([ROLE])).ok
            later = datetime.now(UTC) + timedelta(hours=1)
            await engine.renew(during, later)
            assert replica.can_log_in(during.name, password), "a renewal brings it there"
            assert await engine.revoke_many([before, during]) == [REMOVED, REMOVED]
            assert before.name not in replica.accounts()


async def test_without_its_primary_no_account_is_made() -> None:
    with redis_server() as primary, redis_server(replica_of=primary) as replica:
        async with opened(engine_for(primary, replica)) as engine:
            primary.stop(signal.SIGKILL)
            for _ in range(2):
                with pytest.raises(EngineTemporary, match=f"127.0.0.1:{primary.port}"):
                    await make(engine, account_for(engine, ROLE))


async def test_a_promoted_replica_knows_the_accounts_and_takes_over() -> None:
    with redis_server() as primary, redis_server(replica_of=primary) as replica:
        async with opened(engine_for(primary, replica)) as engine:
            account = account_for(engine, ROLE)
            password = password_of(await make(engine, account))
            primary.stop(signal.SIGKILL)
            replica.ask("REPLICAOF", "NO", "ONE")
            with replica.connect(account.name, password) as client:
                assert client.set("app:1", "x")
            await engine.check()
            assert await make(engine, account_for(engine, ROLE))


async def test_a_server_that_a_handle_names_is_asked_although_its_primary_lists_it_no_more() -> (
    None
):
    with redis_server() as primary, redis_server(replica_of=primary) as replica:
        replica.wait_for_primary()
        async with opened(engine_for(primary, discover="replicas")) as engine:
            made = account_for(engine, ROLE)
            issued = await make(engine, made)
            account = Account(name=made.name, target=made.target, role=ROLE, handle=issued.handle)
            replica.ask("REPLICAOF", "NO", "ONE")
        async with opened(engine_for(primary, discover="replicas")) as engine:
            assert replica.can_log_in(account.name, password_of(issued))
            assert await engine.revoke(account) == REMOVED
            assert not replica.can_log_in(account.name, password_of(issued))
            replica.stop()
            with pytest.raises(EngineTemporary, match="had the account"):
                await engine.revoke(account)


async def test_a_removed_account_stays_removed_over_a_crash_and_a_made_one_stays_made() -> None:
    with redis_server() as server:
        async with opened(engine_for(server)) as engine:
            gone, stays = account_for(engine, ROLE), account_for(engine, ROLE)
            passwords = [password_of(await make(engine, each)) for each in (gone, stays)]
            await engine.revoke(gone)
            await restart(server, signal.SIGKILL)
            assert not server.can_log_in(gone.name, passwords[0])
            assert server.can_log_in(stays.name, passwords[1])
            assert await engine.revoke(stays) == REMOVED, "the server is known again"


async def test_a_crash_before_an_account_was_saved_ends_it_early_and_its_removal_is_quiet() -> None:
    with redis_server() as server:
        async with opened(engine_for(server)) as engine:
            account = account_for(engine, ROLE)
            with server.unable_to_save():
                password = password_of(await make(engine, account))
                await asyncio.to_thread(server.stop, signal.SIGKILL)
            await asyncio.to_thread(server.start)
            assert not server.can_log_in(account.name, password)
            assert await engine.revoke(account) == Removal(
                stage=Stage.REMOVED, note="no account was there to remove"
            )


async def test_accounts_and_renewals_are_saved_when_the_engine_closes() -> None:
    with redis_server() as server:
        async with opened(engine_for(server)) as engine:
            account = account_for(engine, ROLE)
            await make(engine, account)
            later = datetime(2040, 1, 1, tzinfo=UTC)
            await engine.renew(account, later)
        [line] = [line for line in server.saved().splitlines() if account.name in line]
        assert f"~{UNTIL}:{int(later.timestamp())} " in line


async def test_an_account_whose_end_cannot_be_saved_is_disabled_and_told_until_it_can() -> None:
    with redis_server() as server:
        async with opened(engine_for(server)) as engine:
            account = account_for(engine, ROLE)
            password = password_of(await make(engine, account))
            with server.unable_to_save():
                removal = await engine.revoke(account)
                assert removal.stage is Stage.DISABLED
                assert "ACL SAVE failed" in removal.residue
                late = account_for(engine, ROLE)
                with pytest.raises(EngineTemporary, match="ACL SAVE failed"):
                    await make(engine, late)
                health = await engine.check([ROLE])
                assert any("ACL SAVE failed" in line for line in health.missing)
            assert not server.can_log_in(account.name, password)
            assert await engine.revoke_many([account, late]) == [REMOVED, REMOVED]
            assert not server.accounts()
            assert account.name not in server.saved()


async def test_a_server_without_aclfile_is_told_and_works() -> None:
    with redis_server(aclfile=False) as server:
        async with opened(engine_for(server)) as engine:
            health = await engine.check([ROLE])
            assert any("no aclfile" in line for line in health.missing)
            account = account_for(engine, ROLE)
            assert await engine.login((await make(engine, account)).credential)
            assert await engine.revoke(account) == REMOVED
