"""The tasks that run as long as the daemon does, their owner, and the pace of those in rounds."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any, NoReturn, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

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
    try:
        await work
    except asyncio.CancelledError as stray:
        if _is_cancelled():
            raise
        # Its group would take that for an end that was asked for, and go on without it.
        raise RuntimeError(f"{name} was cancelled, and nobody asked for that") from stray
    raise RuntimeError(f"{name} ended by itself")


def _is_cancelled() -> bool:
    """Whether somebody cancelled the task that runs; else a CancelledError is a defect."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def all_of(works: Iterable[Awaitable[T]]) -> list[T]:
    """Every result; or, when all have ended, the first error."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


class Progress:
    """When each of some pieces of work last got further."""

    def __init__(self) -> None:
        self._noted: dict[str, float] = {}

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[None]:
        """The work called `name` is under way until the block is left."""
        self._noted[name] = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            del self._noted[name]

    def note(self, name: str) -> None:
        """The work called `name` got further, if it is under way."""
        if name in self._noted:
            self._noted[name] = asyncio.get_running_loop().time()

    def lag_s(self) -> float:
        """For how many seconds the slowest has got no further; 0 when nothing is under way."""
        now = asyncio.get_running_loop().time()
        return max((now - at for at in self._noted.values()), default=0.0)


class Rounds:
    """Work that is done in rounds: at once when woken, ever less often while something is left.

    The first pause has `first_s` seconds; it doubles up to `last_s` while nobody wakes it.
    """

    def __init__(self, first_s: float, last_s: float) -> None:
        self._first_s = first_s
        self._last_s = last_s
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """There may be something new to do."""
        self._wanted.set()

    async def run(self, work: Callable[[], Awaitable[object]]) -> NoReturn:
        """Work for ever; what a round returns says by its truth whether something is left.

        A round that fails is made again: another start of the daemon would meet the same.
        """
        pause_s = self._first_s
        while True:
            if self._wanted.is_set():
                self._wanted.clear()
                pause_s = self._first_s
            left: object = True
            try:
                left = await work()
            except (Exception, asyncio.CancelledError) as defect:
                if isinstance(defect, asyncio.CancelledError) and _is_cancelled():
                    raise
                logger.exception("a round failed: a defect of leasehold")
            try:
                async with asyncio.timeout(pause_s if left else None):
                    await self._wanted.wait()
            except TimeoutError:
                pause_s = min(2 * pause_s, self._last_s)
