"""The Redis engine on private servers, and an account made by it."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from leasehold.plugin import Issued, Secret
from leasehold_plugins.redis import RedisEngine
from servers.redis import RedisServer

ROLE: Mapping[str, Any] = {"commands": ["+@read", "+@write", "+@pubsub"], "keys": ["app:*"]}


def engine_for(server: RedisServer, *others: RedisServer, **other: Any) -> RedisEngine:
    """An engine of least rights on `server` and `others`, not opened; `other` are its options."""
    connection = {
        "url": server.url,
        "username": server.keeper,
        "password": Secret(server.password),
        "statement_timeout": 5,
        **other,
    }
    if others:
        connection["nodes"] = [each.url for each in others]
    return RedisEngine("main", connection)


@contextlib.asynccontextmanager
async def opened(engine: RedisEngine) -> AsyncIterator[RedisEngine]:
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


def password_of(issued: Issued) -> str:
    password = issued.credential["password"]
    assert isinstance(password, Secret)
    return password.reveal()


SAVED_S = 2.0
"""An account that was made is saved within a second."""


async def until_saved(server: RedisServer, name: str) -> None:
    """Return when the next start of `server` would know the account."""
    deadline = time.monotonic() + SAVED_S
    while name not in server.saved():
        assert time.monotonic() < deadline, f"{name} was not saved"
        await asyncio.sleep(0.02)


async def restart(server: RedisServer, how: signal.Signals = signal.SIGTERM) -> None:
    await asyncio.to_thread(server.stop, how)
    await asyncio.to_thread(server.start)


@pytest.fixture
async def redis_pair(
    redis_primary: RedisServer, redis_replica: RedisServer
) -> AsyncIterator[RedisEngine]:
    """An engine on the primary and its replica, which both are named."""
    async with opened(engine_for(redis_primary, redis_replica)) as engine:
        yield engine
    for server in (redis_primary, redis_replica):
        server.reset()
