"""What proves roles may die or be given up at any step; its accounts are gone all the same."""

import asyncio
from pathlib import Path

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import RehearsingEngine
from fakes.policy import OPERATOR
from fakes.proving import READER, Proving, nothing_is_left
from fakes.world import World

FRESH = {**READER, "main/fresh": {"group": "apps"}}


class RehearsingWorld(World):
    engine_class = RehearsingEngine


MOST_STEPS = 60


@on_virtual_time
async def test_a_crash_at_any_step_leaves_nothing(tmp_path: Path) -> None:
    died = 0
    for after in range(MOST_STEPS):
        world = RehearsingWorld(tmp_path / str(after), virtual_clock())
        await world.start()
        proving = await Proving(world).serve()
        world.fate.after(after)
        applying = asyncio.create_task(proving.apply(FRESH))
        dying = asyncio.create_task(world.fate.died.wait())
        await asyncio.wait({applying, dying}, return_when=asyncio.FIRST_COMPLETED)
        died += world.fate.dead
        world.fate.after(None)
        world.fate.die()
        for task in (applying, dying):
            task.cancel()
        await asyncio.gather(applying, dying, return_exceptions=True)
        await world.crash()
        await world.start()
        await Proving(world, proving.source).serve()
        await nothing_is_left(world)
        await world.stop()
    assert 20 < died < MOST_STEPS, "every step was met"


@on_virtual_time
async def test_a_request_that_is_given_up_at_any_step_leaves_nothing(tmp_path: Path) -> None:
    given_up = 0
    for after in range(MOST_STEPS):
        async with RehearsingWorld(tmp_path / str(after), virtual_clock()) as world:
            proving = await Proving(world).serve()
            proving.write(FRESH)
            applying = asyncio.create_task(
                proving.applier.apply(OPERATOR, "tests", checksum=None, allow=())
            )
            world.fate.after(after, applying.cancel)
            [result] = await asyncio.gather(applying, return_exceptions=True)
            world.fate.after(None)
            given_up += isinstance(result, asyncio.CancelledError)
            await world.finish_what_is_under_way()
            await nothing_is_left(world)
    assert given_up > 20
