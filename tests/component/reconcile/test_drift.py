"""Targets, policy and findings over time: each thing is told once, whoever looks and restarts."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import Fault
from fakes.policy import OPERATOR, ROLES, a_bundle
from fakes.watch import Watch, by_hand
from fakes.world import World
from leasehold import failpoints
from leasehold.errors import EngineTemporary, Invalid
from leasehold.leases.names import new_lease_id
from leasehold.model import EventType, LeaseState
from leasehold.reconcile.drift import FIRST_S

FOUND, CLEARED = EventType.DRIFT_FOUND, EventType.DRIFT_CLEARED
PATH = "database/creds/reader"


@pytest.fixture
def disk_full(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "failpoints.json"
    path.write_text('{"store.commit": {"action": "full"}}')
    path.chmod(0o600)
    yield path
    failpoints.disarm()


@asynccontextmanager
async def watching(tmp_path: Path) -> AsyncIterator[tuple[World, Watch]]:
    async with World(tmp_path, virtual_clock()) as world:
        yield world, Watch(world)


@on_virtual_time
async def test_a_world_as_it_should_be_is_told_nothing_of(tmp_path: Path) -> None:
    async with watching(tmp_path) as (world, watch):
        await world.issue()
        assert await watch.look() == []
        assert await watch.told() == []
        assert watch.drift.troubles() == []


@on_virtual_time
async def test_a_target_that_is_away_is_told_once_and_once_when_it_is_back(tmp_path: Path) -> None:
    async with watching(tmp_path) as (world, watch):
        world.target.away = True
        for _ in range(5):
            assert await watch.look() == [("unreachable", "engine:main")]
            await asyncio.sleep(300)
        world.target.away = False
        for _ in range(3):
            assert await watch.look() == []
        found, cleared = await watch.told()
        assert (found.type, cleared.type) == (FOUND, CLEARED)
        assert found.detail["why"] == "the target cannot be reached"
        assert cleared.detail["fingerprint"] == found.detail["fingerprint"]


@on_virtual_time
async def test_an_administrator_that_is_refused_is_told_apart_from_a_target_that_is_away(
    tmp_path: Path,
) -> None:
    async with watching(tmp_path) as (world, watch):
        await watch.look()
        world.target.fail("check", Fault.REFUSED)
        assert await watch.look() == [("admin-refused", "engine:main")]
        world.target.away = True
        assert await watch.look() == [("unreachable", "engine:main")]


@on_virtual_time
async def test_each_right_that_is_missing_is_a_finding_until_it_is_granted(tmp_path: Path) -> None:
    async with watching(tmp_path) as (world, watch):
        world.target.missing = ("GRANT a", "GRANT b")
        assert await watch.look() == [("right-missing", "engine:main")] * 2
        world.target.missing = ("GRANT b",)
        await watch.look()
        told = [(event.type, event.detail["why"]) for event in await watch.told()]
        assert told == [(FOUND, "GRANT a"), (FOUND, "GRANT b"), (CLEARED, "GRANT a")]


@on_virtual_time
async def test_what_cannot_be_seen_just_now_is_not_over(tmp_path: Path) -> None:
    async with watching(tmp_path) as (world, watch):
        world.target.missing = ("GRANT a",)
        by_hand(world, watch.names.core(new_lease_id(PATH)))
        assert len(await watch.look()) == 2
        world.target.away = True
        assert len(await watch.look()) == 3
        assert CLEARED not in await watch.told_types()
        assert EventType.ORPHAN_CLEARED not in await watch.told_types()


@on_virtual_time
async def test_another_server_in_its_place_is_found_and_costs_no_lease(tmp_path: Path) -> None:
    async with watching(tmp_path) as (world, watch):
        lease = (await world.issue(ttl_s=600)).lease
        stray = watch.names.core(new_lease_id(PATH))
        by_hand(world, stray)
        assert await watch.look() == [("orphan", f"engine:main/{stray}")]
        standing, world.target.accounts = world.target.accounts, {}
        world.target.identity = "another"
        found = await watch.look()
        assert found == [("orphan", f"engine:main/{stray}"), ("target-changed", "engine:main")]
        await asyncio.sleep(700)
        await world.sweep()
        assert (await world.lease(lease.id)).state is LeaseState.REVOKING
        assert await watch.look() == found, "an empty list from another server proves nothing"
        world.target.identity, world.target.accounts = "id-of-one", standing
        assert await watch.look() == [("orphan", f"engine:main/{stray}")]
        await world.settle()
        assert (await world.lease(lease.id)).state is LeaseState.REVOKED


@on_virtual_time
async def test_a_server_is_remembered_across_restarts(tmp_path: Path) -> None:
    world = World(tmp_path, virtual_clock())
    await world.start()
    await Watch(world).look()
    await world.crash()
    world.target.identity = "another"
    await world.start()
    assert await Watch(world).look() == [("target-changed", "engine:main")]
    await world.crash()
    await world.start()
    watch = Watch(world)
    assert await watch.look() == [("target-changed", "engine:main")]
    assert await watch.told_types() == [FOUND]
    await world.stop()


@on_virtual_time
async def test_an_operator_takes_a_server_as_it_is_now(tmp_path: Path) -> None:
    async with watching(tmp_path) as (world, watch):
        stray = watch.names.core(new_lease_id(PATH))
        by_hand(world, stray)
        await watch.look()
        world.target.identity, world.target.accounts = "another", {}
        await watch.look()
        await watch.drift.accept("main", OPERATOR)
        assert await watch.look() == []
        *_, accepted, given_up = await watch.told()
        assert (accepted.type, accepted.caller) == (CLEARED, OPERATOR)
        assert accepted.detail["why"] == "taken as it is now"
        assert given_up.type is EventType.ORPHAN_CLEARED
        world.target.identity = "id-of-one"
        assert await watch.look() == [("target-changed", "engine:main")]


@on_virtual_time
async def test_only_a_server_that_answers_can_be_taken_as_it_is(tmp_path: Path) -> None:
    async with watching(tmp_path) as (world, watch):
        world.target.away = True
        with pytest.raises(EngineTemporary):
            await watch.drift.accept("main", OPERATOR)
        with pytest.raises(Invalid, match="engines are main, other"):
            await watch.drift.accept("mian", OPERATOR)


@on_virtual_time
async def test_another_version_is_drift_until_it_is_accepted(tmp_path: Path) -> None:
    async with watching(tmp_path) as (world, watch):
        await watch.look()
        world.target.version = "2"
        assert await watch.look() == [("version-changed", "engine:main")]
        assert watch.drift.troubles() == [
            "engine:main: has version 2 and had 1; see leasehold drift"
        ]
        await watch.drift.accept("main", OPERATOR)
        assert watch.drift.troubles() == []


@on_virtual_time
async def test_an_engine_that_an_operator_points_elsewhere_is_no_drift(tmp_path: Path) -> None:
    async with watching(tmp_path) as (world, watch):
        stray = watch.names.core(new_lease_id(PATH))
        by_hand(world, stray)
        await watch.look()
        engines = a_bundle().engines
        world.serve(
            a_bundle(
                engines={**engines, "main": replace(engines["main"], connection={"host": "two"})}
            )
        )
        assert await watch.look() == []
        assert (await watch.told())[-1].detail["why"] == (
            "the engine is not meant to lead to that server"
        )


@on_virtual_time
async def test_findings_of_an_engine_end_with_it(tmp_path: Path) -> None:
    async with watching(tmp_path) as (world, watch):
        by_hand(world, watch.names.core(new_lease_id(PATH)))
        world.target.missing = ("GRANT a",)
        await watch.look()
        kept = {"other": a_bundle().engines["other"]}
        roles = {place: role for place, role in ROLES.items() if place[0] == "cache"}
        world.serve(a_bundle(engines=kept, roles=roles))
        assert await watch.look() == []
        reasons = {event.detail["why"] for event in (await watch.told())[2:]}
        assert reasons == {"the engine is not in the policy any more"}
        world.target.identity = "another"
        world.serve(a_bundle())
        world.target.missing, world.target.accounts = (), {}
        assert await watch.look() == [], "an engine that comes back is met anew"


@on_virtual_time
async def test_an_engine_that_cannot_be_made_is_a_finding(tmp_path: Path) -> None:
    async with watching(tmp_path) as (world, watch):
        world.engines.serve(world.engines.build({}, {"main": "env:X is not set"}))
        found = await watch.look()
        assert ("unreachable", "engine:main") in found
        assert "env:X is not set" in (await watch.told())[0].detail["why"]


@on_virtual_time
async def test_a_policy_that_is_not_served_is_drift_of_its_own_kind(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        trouble = ["plan 1 waits"]
        watch = Watch(world, policy_trouble=lambda: trouble[0])
        assert await watch.look() == [("not-served", "policy")]
        trouble[0] = "plan 2 waits"
        assert await watch.look() == [("not-served", "policy")]
        assert watch.drift.findings.all()[0].sighting.why == "plan 2 waits"
        trouble[0] = ""
        assert await watch.look() == []
        assert await watch.told_types() == [FOUND, CLEARED]


@on_virtual_time
async def test_the_first_look_is_soon_and_the_others_every_five_minutes(tmp_path: Path) -> None:
    async with watching(tmp_path) as (world, watch):
        world.target.missing = ("GRANT a",)
        running = asyncio.create_task(watch.drift.run())
        await asyncio.sleep(FIRST_S + 1)
        assert await watch.told_types() == [FOUND]
        world.target.missing = ()
        await asyncio.sleep(290)
        assert await watch.told_types() == [FOUND]
        await asyncio.sleep(10)
        assert await watch.told_types() == [FOUND, CLEARED]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@on_virtual_time
async def test_a_defect_ends_one_look_and_not_the_daemon(tmp_path: Path, caplog) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        defects = [RuntimeError("no such thing")]

        def trouble() -> str:
            if defects:
                raise defects.pop()
            return ""

        watch = Watch(world, policy_trouble=trouble)
        world.target.missing = ("GRANT a",)
        running = asyncio.create_task(watch.drift.run())
        await asyncio.sleep(FIRST_S + 1)
        assert await watch.told() == []
        assert "a defect of leasehold" in caplog.text
        await asyncio.sleep(300)
        assert await watch.told_types() == [FOUND]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@on_virtual_time
async def test_the_schedule_survives_a_disk_that_is_full(tmp_path: Path, disk_full: Path) -> None:
    async with watching(tmp_path) as (world, watch):
        running = asyncio.create_task(watch.drift.run())
        world.target.missing = ("GRANT a",)
        failpoints.arm(disk_full)
        await asyncio.sleep(700)
        assert await watch.told() == []
        failpoints.disarm()
        await asyncio.sleep(300)
        assert await watch.told_types() == [FOUND]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
