"""A save covers whoever asked before it began, and nobody waits for two that need not be."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.plugin import EngineTemporary
from leasehold_plugins.redis.saves import Saves


class File:
    """What is written, by saves that take a few turns of the loop."""

    def __init__(self) -> None:
        self.memory: list[int] = []
        self.disk: list[int] = []
        self.count = 0
        self.broken = False

    async def save(self) -> None:
        self.count += 1
        written = list(self.memory)
        for _ in range(3):
            await asyncio.sleep(0)
        if self.broken:
            raise EngineTemporary("the disk is full")
        self.disk = written


@given(st.lists(st.integers(0, 6), max_size=30), st.integers(0, 30))
def test_whatever_was_changed_before_asking_is_on_the_disk_after_it(
    delays: list[int], cancelled: int
) -> None:
    async def main() -> None:
        file = File()
        saves = Saves(file.save)

        async def change(number: int, delay: int) -> None:
            for _ in range(delay):
                await asyncio.sleep(0)
            file.memory.append(number)
            await saves.cover()
            assert number in file.disk

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(change(*each)) for each in enumerate(delays)]
            for _ in range(cancelled // 4):
                await asyncio.sleep(0)
            for task in tasks[cancelled:][:1]:
                task.cancel()

    asyncio.run(main())


async def test_many_at_once_share_two_saves() -> None:
    file = File()
    saves = Saves(file.save)
    await asyncio.gather(*(saves.cover() for _ in range(100)))
    assert file.count == 2


async def test_all_who_share_a_save_hear_that_it_failed_and_the_next_tries_anew() -> None:
    file = File()
    saves = Saves(file.save)
    file.broken = True
    results = await asyncio.gather(*(saves.cover() for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [EngineTemporary] * 5
    assert file.count == 2
    file.broken = False
    await saves.cover()


async def test_one_who_gives_up_leaves_the_save_to_the_others() -> None:
    file = File()
    saves = Saves(file.save)
    first = asyncio.ensure_future(saves.cover())
    second = asyncio.ensure_future(saves.cover())
    await asyncio.sleep(0)
    first.cancel()
    await second
    with pytest.raises(asyncio.CancelledError):
        await first
    assert file.count == 2
