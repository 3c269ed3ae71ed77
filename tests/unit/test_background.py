import asyncio

import pytest

from leasehold.background import Background


async def test_work_goes_on_when_its_caller_is_cancelled_and_its_result_is_undone() -> None:
    undone, go = [], asyncio.Event()

    async def work() -> str:
        await go.wait()
        return "account"

    async def undo(result: str) -> None:
        undone.append(result)

    async with asyncio.TaskGroup() as group:
        caller = asyncio.create_task(Background(group).finish(work(), unwanted=undo))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert undone == []
        go.set()
    assert undone == ["account"]


@pytest.mark.parametrize("turns", range(1, 8))
async def test_at_whichever_instant_a_caller_goes_its_result_is_had_or_undone(turns: int) -> None:
    undone = []

    async def work() -> str:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return "account"

    async def undo(result: str) -> None:
        undone.append(result)

    async with asyncio.TaskGroup() as group:
        caller = asyncio.create_task(Background(group).finish(work(), unwanted=undo))
        for _ in range(turns):
            await asyncio.sleep(0)
        caller.cancel()
        [had] = await asyncio.gather(caller, return_exceptions=True)
    assert (had == "account") != (undone == ["account"])


async def test_a_failure_reaches_the_caller_and_nobody_else() -> None:
    async def fails() -> None:
        raise ValueError("no")

    async with asyncio.TaskGroup() as group:
        background = Background(group)
        with pytest.raises(ValueError, match="no"):
            await background.finish(fails())
        gone = asyncio.create_task(background.finish(fails()))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)


async def test_an_undoing_that_fails_ends_nothing_else(caplog) -> None:
    go = asyncio.Event()

    async def work() -> str:
        await go.wait()
        return "hunter2"

    async def undo(result: str) -> None:
        raise RuntimeError(result)

    async with asyncio.TaskGroup() as group:
        caller = asyncio.create_task(Background(group).finish(work(), unwanted=undo))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        go.set()
    assert "RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text


async def test_shutting_down_waits_for_what_is_under_way() -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append("work")

    async with asyncio.TaskGroup() as group:
        caller = asyncio.create_task(Background(group).finish(work()))
        await asyncio.sleep(0)
        caller.cancel()
    assert done == ["work"]
    await asyncio.gather(caller, return_exceptions=True)
