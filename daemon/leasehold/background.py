"""Work that goes on when the one who asked for it is gone."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Background:
    """Runs coroutines to their end in a task group, whatever becomes of the caller.

    The group owns them, so that shutting down waits for them.
    """

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group

    async def finish(
        self,
        work: Coroutine[Any, Any, T],
        *,
        unwanted: Callable[[T], Coroutine[Any, Any, None]] | None = None,
    ) -> T:
        """Await `work`, and let it go on if we are cancelled.

        Its errors reach the caller only. When the caller was cancelled meanwhile, `unwanted` gets
        the result, to undo it.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._group.create_task(_run(work, done, unwanted))
        try:
            return await done
        except asyncio.CancelledError:
            # Cancelled after the result had come and before we were resumed to take it.
            if unwanted is not None and not done.cancelled() and done.exception() is None:
                self._group.create_task(_undo(unwanted, done.result()))
            raise


async def _run(
    work: Coroutine[Any, Any, T],
    done: "asyncio.Future[T]",
    unwanted: Callable[[T], Coroutine[Any, Any, None]] | None,
) -> None:
    try:
        result = await work
    except asyncio.CancelledError:
        done.cancel()
        raise
    except Exception as error:
        # The group must live on; the error belongs to whoever awaits `done`.
        if not done.done():
            done.set_exception(error)
        else:
            logger.info("work nobody waits for ended with %s", type(error).__name__)
    else:
        if not done.done():
            done.set_result(result)
        elif unwanted is not None:
            await _undo(unwanted, result)


async def _undo(unwanted: Callable[[T], Coroutine[Any, Any, None]], result: T) -> None:
    try:
        await unwanted(result)
    except Exception as error:
        # As above; the expiry worker comes back to what is left.
        logger.warning("undoing what nobody waits for ended with %s", type(error).__name__)
