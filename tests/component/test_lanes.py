"""Threads with a connection each: bounded, cut off when given up, closed after a failure."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from leasehold.plugin import EngineError, EngineTemporary
from leasehold.plugin.lanes import Driver, Lane


class Refused(Exception):
    pass


class Connection:
    """One that waits until it is cut off, if it is told to."""

    def __init__(self) -> None:
        self.open = self.alive = True
        self.cut_off = threading.Event()

    def wait(self) -> None:
        assert self.cut_off.wait(10)
        raise Refused

    def is_alive(self) -> bool:
        return self.alive

    def is_open(self) -> bool:
        return self.open

    def abort(self) -> None:
        self.cut_off.set()

    def close(self) -> None:
        self.open = self.alive = False


def told(error: Exception) -> EngineError:
    return EngineTemporary(f"translated {type(error).__name__}")


class Lanes:
    """A lane of two, and the connections that were made for it."""

    def __init__(self) -> None:
        self.made: list[Connection] = []
        self.begun = threading.Event()
        self.lane = Lane(self._connect, 2, Driver("Test", (Refused,), told), "testing")

    def _connect(self) -> Connection:
        self.made.append(Connection())
        self.begun.set()
        return self.made[-1]


@pytest.fixture
async def lanes() -> AsyncIterator[Lanes]:
    made = Lanes()
    yield made
    await made.lane.close()


def refuse(_: Connection) -> None:
    raise Refused


async def test_a_connection_is_used_again(lanes: Lanes) -> None:
    first = await lanes.lane.run(lambda it: it)
    assert await lanes.lane.run(lambda it: it) is first


async def test_after_a_failure_it_is_closed_and_the_error_translated(lanes: Lanes) -> None:
    with pytest.raises(EngineTemporary, match="translated Refused"):
        await lanes.lane.run(refuse)
    assert not lanes.made[0].open
    assert await lanes.lane.run(lambda it: it) is lanes.made[1]


async def test_one_that_died_while_it_was_idle_is_not_used_again(lanes: Lanes) -> None:
    first = await lanes.lane.run(lambda it: it)
    first.alive = False
    assert await lanes.lane.run(lambda it: it) is not first


async def test_a_call_that_is_given_up_is_cut_off_and_frees_its_thread(lanes: Lanes) -> None:
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await lanes.lane.run(Connection.wait)
    assert all(it.cut_off.is_set() for it in lanes.made)
    assert await lanes.lane.run(lambda it: it.open)


async def test_no_more_calls_are_at_work_than_the_lane_is_wide(lanes: Lanes) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(lanes.lane.run(lambda it: it))
    assert len(lanes.made) <= 2


async def test_when_it_closes_those_at_work_end_and_no_more_begin(lanes: Lanes) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(ended(lanes))
        assert await asyncio.to_thread(lanes.begun.wait, 5)
        await lanes.lane.close()
    assert isinstance(waiting.result(), EngineTemporary)
    with pytest.raises(EngineTemporary, match="the engine is closing"):
        await lanes.lane.run(lambda it: it)
    assert not any(it.open for it in lanes.made)


async def ended(lanes: Lanes) -> EngineError | None:
    try:
        await lanes.lane.run(Connection.wait)
    except EngineError as error:
        return error
    return None
