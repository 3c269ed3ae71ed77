"""Who is away is tried again, less and less often, and often again after it was there."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.clock import on_virtual_time
from leasehold.errors import Unavailable
from leasehold.events.retrying import FIRST_WAIT_S, LONGEST_WAIT_S, keep_trying, wait_s


@given(st.integers(1, 10_000))
def test_no_wait_between_attempts_is_longer_than_half_a_minute_nor_idle_spinning(
    failures: int,
) -> None:
    assert 0.3 < wait_s(failures) <= LONGEST_WAIT_S == 30


@on_virtual_time
async def test_waiting_begins_anew_after_a_session_that_lasted() -> None:
    loop = asyncio.get_running_loop()
    lasts = [0.0] * 8 + [LONGEST_WAIT_S + 1, 0.0]
    ended_at, pauses, told = loop.time(), [], []

    async def session() -> None:
        nonlocal ended_at
        pauses.append(loop.time() - ended_at)
        if not lasts:
            raise RuntimeError("the end of the test")
        await asyncio.sleep(lasts.pop(0))
        ended_at = loop.time()
        raise Unavailable(f"away {len(lasts)}")

    with pytest.raises(RuntimeError, match="the end"):
        await keep_trying(session, told.append)
    assert told == [f"away {left}" for left in range(9, -1, -1)]
    *_, longest, anew, after = pauses
    assert longest > LONGEST_WAIT_S / 2
    assert anew <= FIRST_WAIT_S
    assert anew < after <= 2 * FIRST_WAIT_S
