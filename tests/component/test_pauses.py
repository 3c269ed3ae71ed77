"""A daemon that stood still ends what is due before it answers anybody (C6, P4)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import Fault
from fakes.world import World
from leasehold import failpoints
from leasehold.pauses import FIRST_S, Pauses

AWAY_S = 60


@pytest.fixture
def slow_looks(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "failpoints.json"
    path.write_text('{"expiry.selected": {"action": "sleep", "seconds": 3}}')
    path.chmod(0o600)
    yield path
    failpoints.disarm()


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[tuple[World, Pauses]]:
    """A world whose worker runs, and who notices pauses; moving the clock makes one."""
    async with World(tmp_path, virtual_clock()) as world:
        pauses = Pauses(world.store, world.clock, world.worker.due_tried)
        tasks = [asyncio.create_task(work) for work in (world.worker.run(), pauses.run())]
        await asyncio.sleep(2)
        yield world, pauses
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@on_virtual_time
async def test_after_a_pause_nobody_is_answered_before_what_is_due_is_gone(tmp_path: Path) -> None:
    async with running(tmp_path) as (world, pauses):
        await world.issue(ttl_s=30)
        kept = await world.issue(ttl_s=600)
        world.clock.advance(s=AWAY_S)
        await pauses.caught_up()
        assert list(world.target.accounts) == [kept.lease.account]


@on_virtual_time
async def test_a_lease_that_was_issued_just_before_the_pause_is_due_as_well(tmp_path: Path) -> None:
    async with running(tmp_path) as (world, pauses):
        await world.issue("cache/creds/user", ttl_s=600)
        await asyncio.sleep(3)
        await world.issue(ttl_s=30)
        world.clock.advance(s=AWAY_S)
        await pauses.caught_up()
        assert not world.targets["one"].accounts


@on_virtual_time
async def test_a_look_that_had_begun_before_and_leaves_no_lease_is_enough(
    tmp_path: Path, slow_looks: Path
) -> None:
    async with running(tmp_path) as (world, _):
        failpoints.arm(slow_looks)
        await world.issue(ttl_s=30)
        await asyncio.sleep(32)  # within the look, which takes three seconds
        async with asyncio.timeout(FIRST_S):
            await world.worker.due_tried()
        assert not world.target.accounts


@on_virtual_time
async def test_a_pause_is_told_with_its_length(tmp_path: Path) -> None:
    async with running(tmp_path) as (world, pauses):
        world.clock.advance(s=AWAY_S)
        await pauses.caught_up()
        await asyncio.sleep(1)
        [told] = [line for line in (await world.audited())[""] if line["event"] == "paused"]
        assert AWAY_S <= float(told["detail"]["seconds"]) < AWAY_S + 1


@on_virtual_time
async def test_a_target_that_hangs_keeps_answers_waiting_for_seconds_only(tmp_path: Path) -> None:
    async with running(tmp_path) as (world, pauses):
        await world.issue(ttl_s=30)
        world.target.fail("revoke", *[Fault.HANG] * 5)
        world.clock.advance(s=AWAY_S)
        began_ms = world.clock.now_ms()
        await pauses.caught_up()
        assert 0 < world.clock.now_ms() - began_ms <= FIRST_S * 1000 + 300


@on_virtual_time
async def test_without_a_pause_nobody_waits_though_a_revocation_hangs(tmp_path: Path) -> None:
    async with running(tmp_path) as (world, pauses):
        await world.issue(ttl_s=5)
        world.target.fail("revoke", *[Fault.HANG] * 5)
        await asyncio.sleep(8)
        assert world.target.accounts
        began_ms = world.clock.now_ms()
        await pauses.caught_up()
        assert world.clock.now_ms() == began_ms


@on_virtual_time
async def test_while_nothing_is_ended_nobody_waits_for_that(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        pauses = Pauses(world.store, world.clock, world.worker.due_tried)
        await world.issue(ttl_s=30)
        world.clock.advance(s=AWAY_S)
        began_ms = world.clock.now_ms()
        await pauses.caught_up()
        assert world.clock.now_ms() == began_ms
