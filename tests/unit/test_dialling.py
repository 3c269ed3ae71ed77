"""Attempts to connect to a target that is away are few, however many want a connection."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.clock import on_virtual_time
from leasehold.plugin import EngineTemporary
from leasehold.plugin.dialling import PAUSE_S, Dialling


class Target:
    """Counts attempts, and fails them while it is away, after `takes_s`."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.away = True
        self.takes_s = takes_s
        self.tried: list[float] = []

    async def connect(self, dialling: Dialling) -> None:
        async with dialling.in_task():
            self.tried.append(asyncio.get_running_loop().time())
            await asyncio.sleep(self.takes_s)
            if self.away:
                raise EngineTemporary("away")


def dialling() -> Dialling:
    return Dialling(asyncio.get_running_loop().time)


callers = st.lists(st.floats(0, 60), min_size=1, max_size=60)


@given(callers, st.sampled_from([0.0, 2.0, 5.0]))
def test_whoever_wants_one_and_whenever_attempts_stand_a_pause_apart(
    moments: list[float], takes_s: float
) -> None:
    @on_virtual_time
    async def main() -> None:
        target, one = Target(takes_s), dialling()

        async def call(at: float) -> None:
            await asyncio.sleep(at)
            with pytest.raises(EngineTemporary, match="away"):
                await target.connect(one)

        await asyncio.gather(*map(call, moments))
        gaps = [late - early for early, late in zip(target.tried, target.tried[1:], strict=False)]
        assert all(gap >= takes_s + PAUSE_S - 0.01 for gap in gaps)

    main()


@on_virtual_time
async def test_after_a_success_all_connect_at_once() -> None:
    target, one = Target(), dialling()
    target.away = False
    await asyncio.gather(*(target.connect(one) for _ in range(20)))
    assert len(target.tried) == 20


@on_virtual_time
async def test_a_target_that_is_back_is_found_when_the_pause_is_over() -> None:
    target, one = Target(), dialling()
    with pytest.raises(EngineTemporary):
        await target.connect(one)
    target.away = False
    await asyncio.sleep(PAUSE_S)
    await target.connect(one)
    await target.connect(one)


@on_virtual_time
async def test_an_attempt_that_is_given_up_says_nothing_of_the_target() -> None:
    target, one = Target(takes_s=5), dialling()
    given_up = asyncio.ensure_future(target.connect(one))
    await asyncio.sleep(1)
    given_up.cancel()
    target.away = False
    await target.connect(one)
    assert given_up.cancelled()


def test_threads_share_one_attempt_and_its_failure() -> None:
    one, tried, told = Dialling(), [], []

    def connect() -> None:
        try:
            with one.in_thread():
                tried.append(1)
                raise EngineTemporary("away")
        except EngineTemporary as error:
            told.append(str(error))

    threads = [threading.Thread(target=connect) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (len(tried), told) == (1, ["away"] * 20)
