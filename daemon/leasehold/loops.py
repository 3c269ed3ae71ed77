"""The tasks that run as long as the daemon does, and their owner."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, NoReturn

Start = Callable[[str, Coroutine[Any, Any, None]], "asyncio.Task[NoReturn]"]


@contextlib.asynccontextmanager
async def eternal_tasks() -> AsyncIterator[Start]:
    """Start tasks by name and own them: any that ends by itself ends the daemon."""
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[NoReturn]] = []

        def start(name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[NoReturn]":
            tasks.append(group.create_task(_eternal(name, work), name=name))
            return tasks[-1]

        try:
            yield start
        finally:
            for task in tasks:
                task.cancel()


async def _eternal(name: str, work: Coroutine[Any, Any, None]) -> NoReturn:
    await work
    raise RuntimeError(f"{name} ended by itself")
