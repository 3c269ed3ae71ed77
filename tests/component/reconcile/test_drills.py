"""Drills on demand and on schedule: what is kept, what is told, when the next one is due (★3)."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import FakeEngine, Fault
from fakes.policy import OPERATOR
from fakes.proving import READER, Proving, nothing_is_left
from fakes.world import World
from leasehold.errors import Invalid, Unavailable
from leasehold.model import EventType, LeaseState
from leasehold.reconcile.drill_records import FIRST_S, KEPT, DrillResult

PATH = "database/creds/reader"
HOUR = 3600
HOURLY = {"main/reader": {"drill": {"every": "1h"}}}


@asynccontextmanager
async def serving(tmp_path: Path, roles: object = READER) -> AsyncIterator[tuple[World, Proving]]:
    async with World(tmp_path, virtual_clock()) as world:
        yield world, await Proving(world).serve(roles)


@asynccontextmanager
async def on_schedule(proving: Proving) -> AsyncIterator[None]:
    task = asyncio.create_task(proving.schedule.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await proving.world.finish_what_is_under_way()


async def drill(proving: Proving) -> DrillResult:
    return (await proving.drills.drill(OPERATOR, PATH, "tests")).result


@on_virtual_time
async def test_a_drill_leaves_a_record_an_event_and_nothing_else(tmp_path: Path) -> None:
    async with serving(tmp_path) as (world, proving):
        record = await proving.drills.drill(OPERATOR, PATH, "tests")
        assert (record.result, record.message) == (DrillResult.PASSED, "")
        assert list(record.steps) == ["issue", "login", "revoke", "refused"]
        assert (record.by, record.uid, record.target) == ("tests", OPERATOR.uid, "id-of-one")
        assert await proving.drills.history(PATH) == [record]
        [event] = await proving.told()
        assert (event.type, event.caller) == (EventType.DRILL_PASSED, OPERATOR)
        assert event.detail["about"] == PATH
        assert {"issue_ms", "login_ms", "revoke_ms", "refused_ms", "ms"} <= event.detail.keys()
        assert (event.detail["account"], event.detail["by"]) == (record.account, "tests")
        await nothing_is_left(world)


@on_virtual_time
async def test_a_role_at_its_limit_can_be_drilled(tmp_path: Path) -> None:
    async with serving(tmp_path, {"main/reader": {"max_leases": 1}}) as (_, proving):
        assert [await drill(proving) for _ in range(2)] == [DrillResult.PASSED] * 2


@pytest.mark.parametrize(
    "path", ["", "database", "database/creds", "database/sts/reader", "x/creds/y"]
)
@on_virtual_time
async def test_what_is_no_role_is_refused(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path) as (_, proving):
        with pytest.raises(Invalid):
            await proving.drills.drill(OPERATOR, path, "tests")
        with pytest.raises(Invalid):
            await proving.drills.history(path)


@on_virtual_time
async def test_a_failure_degrades_until_one_passes_through_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as (world, proving):
        world.target.fail("login", Fault.REFUSED)
        assert await drill(proving) is DrillResult.FAILED
        for _ in range(2):
            [line] = proving.drills.troubles()
            assert line == (
                f"drill of {PATH} failed: login: not allowed (42501); when that is mended, run"
                f" leasehold drill {PATH}"
            )
            proving = await Proving(world, proving.source).serve()
        assert await drill(proving) is DrillResult.PASSED
        assert list(proving.drills.troubles()) == []
        told = [event.type for event in await proving.told()]
        assert told == [EventType.DRILL_FAILED, EventType.DRILL_PASSED]
        await nothing_is_left(world)


@on_virtual_time
async def test_no_other_account_is_made_while_the_last_one_stands(tmp_path: Path) -> None:
    async with serving(tmp_path) as (world, proving):
        world.target.fail("revoke", *[Fault.REFUSED] * 2)
        first = await proving.drills.drill(OPERATOR, PATH, "tests")
        again = await proving.drills.drill(OPERATOR, PATH, "tests")
        assert (
            again.message == f"the account of an earlier drill still stands, lease {first.lease_id}"
        )
        assert list(world.target.accounts) == [first.account]
        assert await drill(proving) is DrillResult.PASSED
        await nothing_is_left(world)


@on_virtual_time
async def test_a_target_that_is_away_is_no_failure_and_is_asked_again_soon(tmp_path: Path) -> None:
    async with serving(tmp_path, HOURLY) as (world, proving):
        world.target.away = True
        assert await drill(proving) is DrillResult.SKIPPED
        async with on_schedule(proving):
            await asyncio.sleep(FIRST_S + 60)
            assert not world.target.calls["issue"]
            assert await proving.drills.history(PATH) == []
            world.target.away = False
            await asyncio.sleep(400)
        [record] = await proving.drills.history(PATH)
        assert (record.result, record.by) == (DrillResult.PASSED, "schedule")


@on_virtual_time
async def test_a_schedule_neither_skips_nor_repeats_whatever_restarts(tmp_path: Path) -> None:
    dice = random.Random(7)
    world = World(tmp_path, virtual_clock())
    await world.start()
    proving = await Proving(world).serve(HOURLY)
    for _ in range(60):
        async with on_schedule(proving):
            await asyncio.sleep(dice.randrange(1, HOUR))
        await (world.crash if dice.random() < 0.5 else world.stop)()
        await world.start()
        proving = await Proving(world, proving.source).serve()
    starts = [record.started_ms / 1000 for record in (await proving.drills.history(PATH))[::-1]]
    spans = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert len(spans) > 20
    assert min(spans) >= 0.9 * HOUR
    assert max(spans) <= HOUR + 10
    await nothing_is_left(world)
    await world.stop()


@on_virtual_time
async def test_a_drill_that_was_due_while_nobody_was_there_is_made_once(tmp_path: Path) -> None:
    async with serving(tmp_path, HOURLY) as (world, proving):
        async with on_schedule(proving):
            await asyncio.sleep(FIRST_S)
        world.clock.advance(s=10 * HOUR)
        async with on_schedule(proving):
            await asyncio.sleep(60)
        assert len(await proving.drills.history(PATH)) == 2


@on_virtual_time
async def test_a_schedule_that_is_changed_or_taken_away_holds_from_then_on(tmp_path: Path) -> None:
    async with serving(tmp_path, HOURLY) as (_, proving), on_schedule(proving):
        await asyncio.sleep(FIRST_S)
        [standing] = proving.drills.standings()
        assert standing.state.every_s == HOUR
        await proving.apply({"main/reader": {"drill": {"every": "10m"}}})
        await asyncio.sleep(HOUR)
        made = len(await proving.drills.history(PATH))
        assert 6 <= made <= 8
        await proving.apply(READER)
        await asyncio.sleep(HOUR)
        assert len(await proving.drills.history(PATH)) == made
        await proving.apply({"main/other": {}})
        await asyncio.sleep(120)
        await proving.apply(READER)
        assert await proving.drills.history(PATH) == [], "it left with its role"


class Slow(FakeEngine):
    """Takes three seconds to make an account, and counts how many it makes at a time."""

    now = most = 0

    async def issue(self, request: object) -> object:
        Slow.now, Slow.most = Slow.now + 1, max(Slow.most, Slow.now + 1)
        await asyncio.sleep(3)
        Slow.now -= 1
        return await super().issue(request)


@on_virtual_time
async def test_one_drill_at_a_time_runs_on_an_engine_and_engines_do_not_wait(
    tmp_path: Path,
) -> None:
    roles = {f"main/r{n}": {} for n in range(4)} | {"other/user": {}}
    world = World(tmp_path, virtual_clock())
    world.engine_class = Slow
    async with world:
        proving = await Proving(world).serve(roles)

        async def took(*paths: str) -> float:
            began_ms, Slow.most = world.clock.now_ms(), 0
            await asyncio.gather(*(proving.drills.drill(OPERATOR, path, "tests") for path in paths))
            return (world.clock.now_ms() - began_ms) / 1000

        assert await took(*(f"database/creds/r{n}" for n in range(4))) >= 12
        assert Slow.most == 1
        assert await took("database/creds/r0", "cache/creds/user") < 6
        assert Slow.most == 2


@on_virtual_time
async def test_only_so_much_evidence_is_kept_newest_first(tmp_path: Path) -> None:
    async with serving(tmp_path) as (world, proving):
        for _ in range(KEPT + 3):
            world.clock.advance(s=1)
            await drill(proving)
        found = [record.started_ms for record in await proving.drills.history(PATH)]
        assert len(found) == KEPT
        assert found == sorted(found, reverse=True)
        assert found[0] - found[-1] == (KEPT - 1) * 1000


@on_virtual_time
async def test_a_clock_in_doubt_makes_no_drill(tmp_path: Path) -> None:
    async with serving(tmp_path, HOURLY) as (world, proving):
        world.clock.suspect = True
        with pytest.raises(Unavailable, match="clock"):
            await drill(proving)
        async with on_schedule(proving):
            await asyncio.sleep(FIRST_S + 60)
            assert not world.target.calls["issue"]
            world.clock.suspect = False
            await asyncio.sleep(60)
            assert world.target.calls["issue"] == 1


@on_virtual_time
async def test_the_account_of_a_drill_that_died_goes_at_the_next_start(tmp_path: Path) -> None:
    met = set()
    for after in range(40):
        world = World(tmp_path / str(after), virtual_clock())
        await world.start()
        proving = await Proving(world).serve()
        world.fate.after(after)
        drilling = asyncio.create_task(drill(proving))
        dying = asyncio.create_task(world.fate.died.wait())
        await asyncio.wait({drilling, dying}, return_when=asyncio.FIRST_COMPLETED)
        for task in (drilling, dying):
            task.cancel()
        await asyncio.gather(drilling, dying, return_exceptions=True)
        await world.crash()
        await world.start()
        met |= {lease.state for lease in await world.leases()}
        proving = await Proving(world, proving.source).serve()
        began_ms = world.clock.now_ms()
        await nothing_is_left(world)
        assert world.clock.now_ms() - began_ms < 30_000, "it did not wait for its lease's end"
        assert await drill(proving) is DrillResult.PASSED
        await world.stop()
    assert met >= {LeaseState.ACTIVE, LeaseState.REVOKING, LeaseState.REVOKED}
