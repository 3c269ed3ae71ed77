"""What an account of the Redis engine may do, whose names are touched, what the server sees."""

from datetime import UTC, datetime
from typing import Any

import pytest
from redis.exceptions import NoPermissionError

from leasehold.plugin import (
    Account,
    EnginePermanent,
)
from leasehold.plugin.contract import EngineContract
from leasehold_plugins.redis import RedisEngine, rules
from servers.redis import RedisServer
from servers.redis_engines import ROLE, password_of, until_saved

pytestmark = pytest.mark.servers

make = EngineContract.issue
account_for = EngineContract.account


@pytest.mark.parametrize("name", ["default", "root", "leasehold", "leasehold-target", "app"])
async def test_names_that_are_not_ours_are_never_touched(
    redis_pair: RedisEngine, redis_primary: RedisServer, name: str
) -> None:
    before = redis_primary.ask("ACL", "LIST")
    account = Account(name=name, target=redis_pair.target_id, role=ROLE)
    with pytest.raises(EnginePermanent, match="not touched"):
        await make(redis_pair, account)
    with pytest.raises(EnginePermanent, match="not touched"):
        await redis_pair.revoke(account)
    assert redis_primary.ask("ACL", "LIST") == before


async def test_no_clear_password_reaches_the_server(
    redis_pair: RedisEngine, redis_primary: RedisServer
) -> None:
    with redis_primary.connect() as client, client.monitor() as monitor:
        account = account_for(redis_pair, ROLE)
        password = password_of(await make(redis_pair, account))
        await until_saved(redis_primary, account.name)
        client.echo("the end")
        seen = ""
        while "the end" not in seen:
            seen += str(monitor.next_command())
        slow = str(client.slowlog_get(200))
        told = [seen, slow, redis_primary.log(), redis_primary.saved(), str(client.acl_log())]
    assert not any(password in text for text in told)


async def test_patterns_are_never_split_into_rules(
    redis_pair: RedisEngine, redis_primary: RedisServer
) -> None:
    account = account_for(redis_pair, {"commands": ["+get"], "keys": ["a +@all", "b"]})
    with pytest.raises(EnginePermanent):
        await make(redis_pair, account)
    assert account.name not in redis_primary.accounts()


async def test_an_account_may_do_what_its_role_says_and_no_more(
    redis_pair: RedisEngine, redis_primary: RedisServer
) -> None:
    role = {
        "commands": ["+get", "+set", "+publish"],
        "keys": ["{{name}}:*"],
        "read_keys": ["shared:*"],
        "channels": ["news"],
    }
    account = account_for(redis_pair, role)
    password = password_of(await make(redis_pair, account))
    with redis_primary.connect(account.name, password) as client:
        assert client.set(f"{account.name}:1", "x")
        assert client.get("shared:1") is None
        client.publish("news", "x")
        for refused in (
            lambda: client.set("shared:1", "x"),
            lambda: client.get("other"),
            lambda: client.publish("other", "x"),
            lambda: client.delete(f"{account.name}:1"),
            lambda: client.get("leasehold-until:1"),
        ):
            with pytest.raises(NoPermissionError):
                refused()
    await redis_pair.revoke(account)


@pytest.mark.parametrize(
    "statements",
    [
        '["~app:*", "+@read", "(~queue:* +lpush)"]',  # as Vault has it
        ['["~app:*", "+@read"]', "(~queue:* +lpush)"],
        "~app:* +@read (~queue:* +lpush)",
    ],
)
async def test_rules_as_the_server_writes_them_survive_a_renewal(
    redis_pair: RedisEngine, redis_primary: RedisServer, statements: Any
) -> None:
    account = account_for(redis_pair, {"creation_statements": statements})
    password = password_of(await make(redis_pair, account))
    later = datetime(2040, 1, 1, tzinfo=UTC)
    await redis_pair.renew(account, later)
    with redis_primary.connect(account.name, password) as client:
        assert client.get("app:2") is None
        assert client.lpush("queue:1", "x")
        with pytest.raises(NoPermissionError):
            client.lpush("app:1", "x")
    [line] = [line for line in redis_primary.ask("ACL", "LIST") if account.name in line]
    assert line.count(rules.UNTIL) == 1
    assert f"~{rules.UNTIL}:{int(later.timestamp())} " in line
    await redis_pair.revoke(account)


async def test_a_renewal_brings_no_removed_account_back(
    redis_pair: RedisEngine, redis_primary: RedisServer
) -> None:
    account = account_for(redis_pair, ROLE)
    await make(redis_pair, account)
    await redis_pair.revoke(account)
    with pytest.raises(EnginePermanent, match="gone from Redis"):
        await redis_pair.renew(account, datetime(2040, 1, 1, tzinfo=UTC))
    assert account.name not in redis_primary.accounts()


async def test_a_session_lives_through_a_renewal(
    redis_pair: RedisEngine, redis_primary: RedisServer
) -> None:
    account = account_for(redis_pair, {**ROLE, "channels": ["news"]})
    password = password_of(await make(redis_pair, account))
    with redis_primary.connect(account.name, password) as client:
        listening = client.pubsub()
        listening.subscribe("news")
        assert listening.get_message(timeout=1)["type"] == "subscribe"
        await redis_pair.renew(account, datetime(2040, 1, 1, tzinfo=UTC))
        client.publish("news", "x")
        assert listening.get_message(timeout=1)["data"] == "x"
    await redis_pair.revoke(account)
