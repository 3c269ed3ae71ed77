"""The Redis engine against a real server: the contract, restarts, hangs, many at once."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from redis.exceptions import RedisError

from leasehold.plugin import (
    Account,
    EngineTemporary,
    Removal,
    Stage,
    TargetChanged,
)
from leasehold.plugin.contract import REMOVED, EngineContract
from leasehold_plugins.redis import RedisEngine
from servers.postgres import free_port
from servers.redis import RedisServer, redis_server
from servers.redis_engines import ROLE, engine_for, opened, password_of, restart, until_saved

pytestmark = pytest.mark.servers

make = EngineContract.issue
account_for = EngineContract.account


class RedisContract(EngineContract):
    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return ROLE

    @pytest.fixture
    def unworkable(self) -> Mapping[str, Any]:
        return {"commands": ["+get", "+nosuchcommand"]}

    @pytest.fixture
    def broken(self, redis_primary: RedisServer) -> RedisEngine:
        return engine_for(redis_primary, url=f"redis://127.0.0.1:{free_port()}")

    async def test_open_sessions_end_with_their_account(
        self, engine: RedisEngine, redis_primary: RedisServer
    ) -> None:
        account = account_for(engine, {**ROLE, "channels": ["news"]})
        password = password_of(await make(engine, account))
        with redis_primary.connect(account.name, password) as client:
            listening = client.pubsub()
            listening.subscribe("news")
            assert listening.get_message(timeout=1)
            client.get("app:1")
            assert redis_primary.ask("CLIENT", "LIST").count(f"user={account.name} ") == 2
            assert await engine.revoke(account) == REMOVED
            assert f"user={account.name} " not in redis_primary.ask("CLIENT", "LIST")
            with pytest.raises(RedisError):
                listening.get_message(timeout=1)
            with pytest.raises(RedisError):
                client.get("app:1")


class TestOneServer(RedisContract):
    @pytest.fixture
    def redis_primary(self) -> Iterator[RedisServer]:
        with redis_server() as server:
            yield server

    @pytest.fixture
    async def engine(self, redis_primary: RedisServer) -> AsyncIterator[RedisEngine]:
        async with opened(engine_for(redis_primary, username=redis_primary.admin)) as engine:
            yield engine


class TestLeastRightsAndAReplica(RedisContract):
    @pytest.fixture
    async def engine(
        self, redis_primary: RedisServer, redis_replica: RedisServer
    ) -> AsyncIterator[RedisEngine]:
        async with opened(engine_for(redis_primary, redis_replica)) as engine:
            yield engine


async def test_a_restart_of_the_server_costs_no_issue() -> None:
    with redis_server() as server:
        async with opened(engine_for(server, url=f"unix://{server.socket}")) as engine:
            before = account_for(engine, ROLE)
            await make(engine, before)
            await restart(server)
            after = account_for(engine, ROLE)
            await make(engine, after)
            assert await engine.revoke_many([before, after]) == [REMOVED, REMOVED]


async def test_a_server_that_hangs_is_temporary_and_its_outcome_unknown() -> None:
    with redis_server() as server:
        async with opened(engine_for(server, statement_timeout=1)) as engine:
            account = account_for(engine, ROLE)
            await make(engine, account)
            assert server._process is not None
            server._process.send_signal(signal.SIGSTOP)
            with pytest.raises(EngineTemporary) as told:
                await make(engine, account)
            assert told.value.outcome_unknown
            server._process.send_signal(signal.SIGCONT)
            assert await engine.revoke(account) == REMOVED


async def test_a_cancelled_call_leaves_no_reply_for_the_next(redis_pair: RedisEngine) -> None:
    for delay_ms in range(12):
        making = asyncio.ensure_future(make(redis_pair, account_for(redis_pair, ROLE)))
        await asyncio.sleep(delay_ms / 4000)
        making.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await making
        account = account_for(redis_pair, ROLE)
        issued = await make(redis_pair, account)
        assert issued.credential["username"] == account.name
        assert await redis_pair.login(issued.credential)


async def test_accounts_made_at_once_share_saves(
    redis_pair: RedisEngine, redis_primary: RedisServer
) -> None:
    redis_primary.ask("CONFIG", "RESETSTAT")
    accounts = [account_for(redis_pair, ROLE) for _ in range(64)]
    await asyncio.gather(*(make(redis_pair, account) for account in accounts))
    for account in accounts:
        await until_saved(redis_primary, account.name)
    assert redis_primary.ask("INFO", "commandstats")["cmdstat_acl|save"]["calls"] < 5
    assert await redis_pair.revoke_many(accounts) == [REMOVED] * 64
    assert not any(account.name in redis_primary.saved() for account in accounts)


async def test_one_account_of_another_server_holds_up_no_other(redis_pair: RedisEngine) -> None:
    mine = account_for(redis_pair, ROLE)
    await make(redis_pair, mine)
    theirs = Account(name=account_for(redis_pair, ROLE).name, target="redis:other", role=ROLE)
    first, second = await redis_pair.revoke_many([theirs, mine])
    assert isinstance(first, TargetChanged)
    assert second == Removal(stage=Stage.REMOVED)
