"""A save covers whoever asked before it began, and nobody waits for two that need not be."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.clock import on_virtual_time
from leasehold.plugin import EngineTemporary
from leasehold_plugins.redis.saves import LATER_S, Saves


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


SAVE_S = 0.4
STEPS = st.lists(
    st.sampled_from(("give", "take", "take and give up", "break", "mend")) | st.floats(0, 2),
    max_size=30,
)


class SlowFile(File):
    """One whose saves take time."""

    async def save(self) -> None:
        written = list(self.memory)
        await asyncio.sleep(SAVE_S)
        if self.broken:
            raise EngineTemporary("the disk is full")
        self.disk = written


@given(STEPS)
def test_what_was_given_is_on_the_disk_soon_unless_a_save_failed_and_then_the_next_is_told(
    steps: list[str | float],
) -> None:
    @on_virtual_time
    async def main() -> None:
        loop, file = asyncio.get_running_loop(), SlowFile()
        saves = Saves(file.save)
        given: dict[int, float] = {}
        tasks: list[asyncio.Future[None]] = []

        async def give(number: int) -> None:
            file.memory.append(number)
            await saves.soon()
            given[number] = loop.time()

        for number, step in enumerate([*steps, 3.0]):
            if isinstance(step, float):
                await asyncio.sleep(step)
            elif step in ("break", "mend"):
                file.broken = step == "break"
            else:
                tasks.append(
                    asyncio.ensure_future(give(number) if step == "give" else saves.cover())
                )
                await asyncio.sleep(SAVE_S / 4)
                if step == "take and give up":
                    tasks[-1].cancel()
            late_s = LATER_S + 2 * SAVE_S + 0.01
            if not {n for n, at in given.items() if loop.time() - at > late_s} <= {*file.disk}:
                file.broken = True
                with pytest.raises(EngineTemporary):
                    await saves.soon()
        await asyncio.gather(*tasks, return_exceptions=True)
        file.broken = False
        await saves.close()
        assert given.keys() <= {*file.disk}

    main()


@on_virtual_time
async def test_who_makes_accounts_waits_for_no_save_and_costs_one_a_second() -> None:
    file = File()
    saves = Saves(file.save)
    loop = asyncio.get_running_loop()
    for number in range(50):
        file.memory.append(number)
        began = loop.time()
        await saves.soon()
        assert loop.time() == began
        await asyncio.sleep(0.1)
    assert file.count <= 5 / LATER_S
    await saves.close()
    assert file.disk == file.memory


@on_virtual_time
async def test_nothing_is_put_off_while_saves_fail() -> None:
    file = File()
    saves = Saves(file.save)
    file.broken = True
    await saves.soon()
    await asyncio.sleep(60)
    assert file.count == 1, "nobody asks a server again and again that cannot save"
    with pytest.raises(EngineTemporary, match="the disk is full"):
        await saves.soon()
    file.broken = False
    await saves.soon()
    assert file.count == 3, "it was saved before that call returned"
    await saves.close()
    assert file.count == 3, "nothing is left to be saved"


@on_virtual_time
async def test_a_removal_saves_for_all_who_put_it_off() -> None:
    file = File()
    saves = Saves(file.save)
    file.memory.append(1)
    await saves.soon()
    await saves.cover()
    assert file.disk == [1]
    await saves.close()
    assert file.count == 1
