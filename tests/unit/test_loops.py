"""Work in rounds goes on, whatever becomes of one."""

import asyncio

from leasehold.loops import Rounds


async def test_a_round_that_fails_is_made_again() -> None:
    made: list[int] = []
    rounds = Rounds(0.001, 0.01)
    over = asyncio.Event()

    async def work() -> bool:
        made.append(len(made))
        if len(made) < 3:
            raise RuntimeError("a defect")
        over.set()
        return False

    running = asyncio.create_task(rounds.run(work))
    rounds.wake()
    async with asyncio.timeout(5):
        await over.wait()
    running.cancel()
    assert made == [0, 1, 2]
