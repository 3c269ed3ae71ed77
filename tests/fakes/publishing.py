"""A publisher at work, for tests that look at what reaches a broker."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from leasehold.clock import SystemClock
from leasehold.events.mqtt import MqttPublisher
from leasehold.secret import Secret


@contextlib.asynccontextmanager
async def publishing(
    store: Any, url: str, *, password: str | None = None, deployment: str = "prod"
) -> AsyncIterator[MqttPublisher]:
    """Runs until the block is left, then is stopped as the daemon stops it."""
    publisher = MqttPublisher(
        url=url,
        password=None if password is None else Secret(password),
        store=store,
        clock=SystemClock(),
        deployment=deployment,
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(publisher.run())
        try:
            yield publisher
        finally:
            running.cancel()


async def soon(claim: Callable[[], Any], within_s: float = 20.0) -> Any:
    """What `claim` returns once that is true; looked at while the loop goes on."""
    deadline = time.monotonic() + within_s
    while not (found := claim()):
        if time.monotonic() > deadline:
            pytest.fail(f"did not hold within {within_s} s")
        await asyncio.sleep(0.02)
    return found
