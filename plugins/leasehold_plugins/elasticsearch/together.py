"""Several requests at a time, each with an owner."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from leasehold.plugin import EngineError

T = TypeVar("T")


async def together(work: Iterable[Coroutine[Any, Any, T]], most: int = 8) -> list[T]:
    """The results in order, `most` at a time. Raises the first EngineError; no task is left."""
    lanes = asyncio.Semaphore(most)

    async def one(each: Coroutine[Any, Any, T]) -> T:
        async with lanes:
            return await each

    waiting = [one(each) for each in work]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in waiting]
    except* EngineError as errors:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raised = first
    else:
        return [task.result() for task in tasks]
    raise raised
