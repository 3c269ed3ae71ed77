"""Who connects while the daemon stops taking callers in."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from leasehold.api.crowd import Crowd

PATIENCE_S = 1.0


@pytest.fixture
def listening(tmp_path: Path) -> AsyncIterator[socket.socket]:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(str(tmp_path / "door"))
        made.listen()
        made.setblocking(False)
        yield made


async def given_up(crowd: Crowd, listening: socket.socket, steps: int) -> list[socket.socket]:
    """Whom an arrival that is given up so many steps after somebody connected has let in."""
    waiting = asyncio.ensure_future(crowd.arrival(listening))
    await asyncio.sleep(0)
    caller = socket.socket(socket.AF_UNIX)
    caller.connect(listening.getsockname())
    for _ in range(steps):
        await asyncio.sleep(0)
    waiting.cancel()
    [result] = await asyncio.gather(waiting, return_exceptions=True)
    return [caller, *([result] if isinstance(result, socket.socket) else [])]


@pytest.mark.parametrize("steps", range(5))
async def test_nobody_is_lost_between_the_door_and_the_house(
    listening: socket.socket, steps: int
) -> None:
    crowd = Crowd(10)
    sockets = await given_up(crowd, listening, steps)
    with contextlib.ExitStack() as stack:
        for each in sockets:
            stack.enter_context(each)
        if len(sockets) == 1:  # who was not let in waits in the kernel's queue, and is let in now
            async with asyncio.timeout(PATIENCE_S):
                stack.enter_context(await crowd.arrival(listening))
