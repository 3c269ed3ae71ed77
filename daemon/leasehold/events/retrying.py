"""Trying again where somebody is away: for ever, and ever less often."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import NoReturn

from leasehold.errors import Unavailable

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0


def wait_s(failures: int) -> float:
    """How long to wait after so many failures in a row: doubling, capped, spread by a quarter."""
    longest = min(FIRST_WAIT_S * 2.0 ** min(failures - 1, 20), LONGEST_WAIT_S)
    return longest * (1 - secrets.randbelow(1000) / 4000)


async def keep_trying(
    session: Callable[[], Awaitable[object]], ended: Callable[[str], None]
) -> NoReturn:
    """Have one session after the other until cancelled.

    One ends by Unavailable, perhaps in a group; `ended` is told why. After one that lasted for
    longer than any wait, waiting begins anew.
    """
    loop, ourselves = asyncio.get_running_loop(), asyncio.current_task()
    failures = 0
    while True:
        started = loop.time()
        try:
            await session()
        except* Unavailable as lost:
            ended(str(lost.exceptions[0]))
        if ourselves is not None and ourselves.cancelling():
            # A task group that fails at that very moment swallows it, before Python 3.13.
            raise asyncio.CancelledError
        lasted_s = loop.time() - started
        failures = 1 if lasted_s > LONGEST_WAIT_S else failures + 1
        await asyncio.sleep(wait_s(failures))
