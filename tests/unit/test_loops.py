"""Work in rounds goes on, whatever becomes of one; a task that ends by itself is noticed."""

import asyncio

import pytest

from leasehold.loops import Rounds, eternal_tasks


async def test_a_task_that_is_cancelled_by_nobody_ends_the_others() -> None:
    async def stray() -> None:
        raise asyncio.CancelledError

    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="nobody asked for that")):
        async with eternal_tasks() as start:
            start("stray", stray())
            await asyncio.Event().wait()


async def test_leaving_ends_the_tasks_quietly() -> None:
    async with eternal_tasks() as start:
        start("waiting", asyncio.sleep(3600))
        await asyncio.sleep(0)


@pytest.mark.parametrize("defect", [RuntimeError("a defect"), asyncio.CancelledError()])
async def test_a_round_that_fails_is_made_again(defect: BaseException) -> None:
    made: list[int] = []
    rounds = Rounds(0.001, 0.01)
    over = asyncio.Event()

    async def work() -> bool:
        made.append(len(made))
        if len(made) < 3:
            raise defect
        over.set()
        return False

    running = asyncio.create_task(rounds.run(work))
    rounds.wake()
    async with asyncio.timeout(5):
        await over.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert made == [0, 1, 2]
