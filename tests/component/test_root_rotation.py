"""No rotation locks anybody out: one of the passwords that are written down always opens."""

import asyncio
import os
import random
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import Fault
from fakes.policy import OPERATOR
from fakes.rotating import FIRST, Rotating, rotating_bundle
from fakes.world import World
from leasehold.errors import EngineError, EnginePermanent, Invalid, LeaseholdError

SEEDS = int(os.environ.get("LEASEHOLD_EXAMPLES", "40"))
PLACE = (OPERATOR, "database", "main")
FAULTS = [
    None,
    Fault.BEFORE,
    Fault.AFTER,
    Fault.REFUSED,
    Fault.DEFECT,
    Fault.HANG,
    Fault.HANG_AFTER,
    Fault.LATE,
]


def a_world(folder: Path) -> World:
    world = World(folder, virtual_clock(), rotating_bundle())
    world.target.root = FIRST
    return world


def opens(world: World) -> bool:
    """Whether one of the passwords that are written down is the target's."""
    kept = world.kept.get("main", "")
    known = [FIRST] if kept is None or kept.password is None else [kept.password.reveal()]
    if kept is not None and kept.candidate is not None:
        known.append(kept.candidate.reveal())
    return world.target.root in known


@pytest.mark.parametrize("seed", range(SEEDS))
@on_virtual_time
async def test_whatever_fails_and_wherever_it_dies_the_rights_come_back(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    world = a_world(tmp_path)
    await world.start()
    rotating = Rotating(world)
    for _ in range(4):
        for verb in ("rotate_root", "open", "check"):
            if dice.random() < 0.5:
                world.target.fail(verb, dice.choice(FAULTS))
        world.fate.after(dice.choice([None, dice.randrange(16)]))
        work = asyncio.ensure_future(rotating.rotations.root.rotate(*PLACE))
        died = asyncio.ensure_future(world.fate.died.wait())
        await asyncio.wait([work, died], return_when=asyncio.FIRST_COMPLETED)
        if world.fate.dead:
            work.cancel()
            await world.crash()
            await world.start()
            rotating = Rotating(world)
        elif (trouble := work.exception()) is not None:
            assert isinstance(trouble, LeaseholdError)
        world.fate.after(None)
        died.cancel()
        await asyncio.gather(work, died, return_exceptions=True)
        assert opens(world)
        if dice.random() < 0.3:
            world.clock.advance(s=dice.choice([1, 5, 30]))
            await rotating.rotations.schedule.round()
            assert opens(world)
    world.target.faults.clear()
    await rotating.settled()
    assert opens(world)
    assert (await world.engines.current("main").check([])).ok
    await world.stop()
    await world.start()
    assert (await world.engines.current("main").check([])).ok
    await world.stop()


@on_virtual_time
async def test_callers_wait_for_a_rotation_and_none_meets_a_dead_password(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        rotating = Rotating(world)
        await world.issue()
        world.target.fail("rotate_root", Fault.LATE, None)
        rotation = asyncio.ensure_future(rotating.rotations.root.rotate(*PLACE))
        await asyncio.sleep(1)
        issues = [asyncio.ensure_future(world.issue()) for _ in range(5)]
        await asyncio.sleep(1)
        assert not any(each.done() for each in issues)
        with pytest.raises(EngineError):
            await rotation
        await asyncio.sleep(world.target.LATE_S)
        await rotating.settled()
        await asyncio.gather(*issues, return_exceptions=True)
        await world.issue()


@on_virtual_time
async def test_a_candidate_that_was_surely_refused_is_given_up_for_another(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        root = Rotating(world).rotations.root
        world.target.fail("rotate_root", Fault.REFUSED)
        with pytest.raises(EnginePermanent):
            await root.rotate(*PLACE)
        kept = world.kept.get("main", "")
        assert kept is not None
        assert kept.candidate is None
        assert kept.failures == 1
        await root.rotate(*PLACE)
        assert world.target.root != FIRST
        assert not root.troubles()


@on_virtual_time
async def test_a_candidate_that_may_still_arrive_is_given_again_although_the_old_one_opens(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        root = Rotating(world).rotations.root
        world.target.fail("rotate_root", Fault.HANG, Fault.REFUSED, Fault.REFUSED)
        with pytest.raises(EngineError):
            await root.rotate(*PLACE)
        first = world.kept.get("main", "")
        with pytest.raises(EngineError):
            await root.rotate(*PLACE)
        again = world.kept.get("main", "")
        assert first is not None
        assert again is not None
        assert again.candidate == first.candidate
        world.clock.advance(s=21)
        with pytest.raises(EngineError):
            await root.rotate(*PLACE)
        later = world.kept.get("main", "")
        assert later is not None
        assert later.candidate is None


@on_virtual_time
async def test_an_engine_without_a_password_has_nothing_to_rotate(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        with pytest.raises(Invalid, match="no password to rotate"):
            await Rotating(world).rotations.root.rotate(*PLACE)


@on_virtual_time
async def test_no_password_stands_in_clear_in_the_state_directory(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        await Rotating(world).rotations.root.rotate(*PLACE)
        secret = world.target.root.encode()
    files = [file for file in (tmp_path / "state").iterdir() if file.is_file()]
    assert files
    assert not any(secret in file.read_bytes() for file in files)
