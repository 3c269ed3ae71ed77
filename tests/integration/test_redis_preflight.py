"""What is lacking on a Redis is told with what to run, before an account is made."""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from leasehold.plugin import (
    EnginePermanent,
    EngineTemporary,
    Secret,
)
from leasehold.plugin.contract import EngineContract
from leasehold_plugins.redis import RedisEngine, rules
from servers.redis import RedisServer
from servers.redis_engines import ROLE, engine_for, opened

pytestmark = pytest.mark.servers

make = EngineContract.issue
account_for = EngineContract.account


async def test_missing_rights_are_told_with_the_line_to_run(redis_primary: RedisServer) -> None:
    role = {"commands": ["+get", "+nosuchcommand"], "keys": ["*", "app:*"]}
    right = [
        "on",
        f">{redis_primary.password}",
        "+acl|getuser",
        "+acl|setuser",
        "+acl|save",
        "+info",
    ]
    redis_primary.ask("ACL", "SETUSER", "weak", "reset", *right)
    async with opened(engine_for(redis_primary, username="weak")) as engine:
        health = await engine.check([role])
        assert not health.ok
        lines = [line.rpartition(": ")[2] for line in health.missing]
        for lacking in ("acl|deluser", "acl|users", "client|kill", "config|get", "multi", "exec"):
            assert f"ACL SETUSER weak +{lacking}" in lines
        for line in lines:
            if line.startswith("ACL SETUSER"):
                redis_primary.ask(*line.split())
        left = [line for line in (await engine.check([ROLE])).missing if "replicas" not in line]
        assert not left
    redis_primary.ask("ACL", "DELUSER", "weak")


@pytest.mark.parametrize(
    ("role", "culprit"),
    [
        ({"commands": ["+get", "+nosuch"]}, r"commands: the server refuses \+nosuch"),
        ({"commands": ["+@nosuch"]}, r"commands: the server refuses \+@nosuch"),
        ({"commands": ["+get"], "keys": ["*", "a"]}, "keys: the server refuses ~a"),
        (
            {"creation_statements": "~a +get (+nosuch ~b)"},
            "creation_statements: the server refuses",
        ),
    ],
)
async def test_a_rule_that_the_server_does_not_know_is_told_before_an_account_is_made(
    redis_pair: RedisEngine, role: Mapping[str, Any], culprit: str
) -> None:
    with pytest.raises(EnginePermanent, match=culprit):
        await redis_pair.rehearse(role, datetime(2040, 1, 1, tzinfo=UTC), None)
    health = await redis_pair.check([role])
    assert [line for line in health.missing if culprit.rpartition(" ")[0].split(":")[0] in line]


async def test_every_category_that_brings_acl_setuser_is_warned_of(
    redis_primary: RedisServer,
) -> None:
    for category in redis_primary.ask("ACL", "CAT"):
        brings = "acl|setuser" in redis_primary.ask("ACL", "CAT", category)
        assert bool(rules.lint({"commands": [f"+@{category}"]})) == brings, category


@pytest.mark.usefixtures("redis_pair")  # both have one mark before each is looked at alone
async def test_replicas_that_nobody_named_are_told(
    redis_primary: RedisServer, redis_replica: RedisServer
) -> None:
    async with opened(engine_for(redis_primary)) as engine:
        assert any("discover: replicas" in line for line in (await engine.check()).missing)
    async with opened(engine_for(redis_replica)) as engine:
        assert any("are replicas" in line for line in (await engine.check()).missing)
        with pytest.raises(EngineTemporary, match="are replicas"):
            await make(engine, account_for(engine, ROLE))


async def test_a_wrong_password_of_the_administrator_is_told_apart(
    redis_primary: RedisServer,
) -> None:
    for url in (redis_primary.url, f"unix://{redis_primary.socket}"):
        engine = engine_for(redis_primary, url=url, password=Secret("wrong"))
        with pytest.raises(EnginePermanent, match="refuses the administrator's login"):
            await engine.open()


async def test_the_clients_of_the_fullest_server_are_its_ceiling(
    redis_pair: RedisEngine, redis_replica: RedisServer
) -> None:
    redis_replica.ask("CONFIG", "SET", "maxclients", "100")
    [ceiling] = await redis_pair.ceilings({"reader": ROLE})
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(redis_replica.connect()).ping()
        [fuller] = await redis_pair.ceilings({"reader": ROLE})
    redis_replica.ask("CONFIG", "SET", "maxclients", "10000")
    assert (ceiling.name, ceiling.most, fuller.used - ceiling.used) == ("clients", 100, 30)
    assert f"127.0.0.1:{redis_replica.port}" in ceiling.remedy
