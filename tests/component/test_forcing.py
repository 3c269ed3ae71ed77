"""Ending leases by force: the ledger lets go, and nobody is left unaware of what may stand."""

import asyncio
from pathlib import Path

import pytest

from fakes.bulk import Bulk, bulk
from fakes.clock import on_virtual_time
from fakes.engine import Fault
from fakes.policy import ENGINES, HOLDER, OPERATOR, a_bundle
from leasehold.errors import EnginePermanent, EngineTemporary, ErrorClass
from leasehold.leases import lifecycle
from leasehold.model import Cause, EventType, LeaseState
from leasehold.plugin import Removal, Stage

READER = "database/creds/reader"
REFUSED = EnginePermanent("not allowed (42501)", error_class=ErrorClass.DENIED)


@on_virtual_time
async def test_what_the_target_refuses_ends_in_the_ledger_and_is_found_as_forced(
    tmp_path: Path,
) -> None:
    async with bulk(tmp_path) as (world, many):
        stubborn, other = (await world.issue()).lease, (await world.issue()).lease
        world.target.stubborn[stubborn.account] = REFUSED
        reply = await many.revoke(READER, force=True)
        await many.step()
        ended = [await world.lease(lease.id) for lease in (stubborn, other)]
        assert {lease.state for lease in ended} == {LeaseState.REVOKED}
        assert [lifecycle.was_forced(lease) for lease in ended] == [True, False]
        assert (ended[0].cause, ended[0].last_error) == (Cause.OPERATOR, "not allowed (42501)")
        shown = await many.shown(reply)
        assert (shown["gone"], shown["forced"]) == (2, 1)
        found = [("forced", f"engine:main/{stubborn.account}")]
        assert [(it.what, it.about) for it in many.watch.drift.findings.all()] == found
        assert await many.watch.look() == found
        [trouble] = many.watch.drift.troubles()
        assert "1 accounts may stand whose leases were ended by force" in trouble


@on_virtual_time
async def test_it_is_told_loudly_and_by_whom(tmp_path: Path) -> None:
    async with bulk(tmp_path) as (world, many):
        lease = (await world.issue()).lease
        world.target.stubborn[lease.account] = REFUSED
        reply = await many.revoke(READER, force=True)
        for _ in range(3):
            await many.step()
        assert await world.told() == [
            EventType.ISSUED,
            EventType.REVOCATION_ORDERED,
            EventType.ORPHAN_FOUND,
            EventType.FORCED,
            EventType.REVOCATION_FINISHED,
        ]
        audited = await world.audited()
        assert audited[""][0]["detail"]["force"] == "yes"
        forced = audited[lease.id][-1]
        assert (forced["event"], forced["caller"]["uid"]) == ("forced", 1002)
        assert forced["detail"]["why"] == "not allowed (42501)"
        assert forced["detail"]["order"] == reply.headers["X-Leasehold-Revocation"]


@on_virtual_time
async def test_an_account_that_is_removed_like_an_orphan_is_found_no_more(tmp_path: Path) -> None:
    async with bulk(tmp_path) as (world, many):
        lease = (await world.issue()).lease
        world.target.stubborn[lease.account] = REFUSED
        await many.revoke(READER, force=True)
        await many.step()
        world.target.stubborn.clear()
        async with many.watch.drift.accounts() as seen:
            places = list(seen.removable)
        assert places == [("main", lease.account)]
        await many.watch.removal.remove(OPERATOR, "operator", places, report=seen.digest, allow=())
        assert not world.target.accounts
        assert many.watch.drift.findings.all() == []


@on_virtual_time
async def test_what_stands_at_a_target_that_is_away_is_known_until_it_can_be_looked_at(
    tmp_path: Path,
) -> None:
    async with bulk(tmp_path) as (world, many):
        stays, goes = (await world.issue()).lease, (await world.issue()).lease
        world.target.away = True
        await many.revoke(READER, force=True)
        for _ in range(5):
            await many.step()
            await asyncio.sleep(5)
        assert {lease.state for lease in await world.leases()} == {LeaseState.REVOKED}
        both = {("forced", f"engine:main/{lease.account}") for lease in (stays, goes)}
        assert both <= set(await many.watch.look())
        world.target.away = False
        world.target.drop(goes.account)
        await asyncio.sleep(20)
        assert await many.watch.look() == [("forced", f"engine:main/{stays.account}")]
        cleared = [
            event.detail["account"]
            for event in await many.watch.told()
            if event.type is EventType.ORPHAN_CLEARED
        ]
        assert cleared == [goes.account]


@on_virtual_time
async def test_nothing_is_forced_that_was_not_tried_since_the_order(tmp_path: Path) -> None:
    """One that waits for its next attempt is tried once more first."""
    async with bulk(tmp_path) as (world, many):
        lease = (await world.issue()).lease
        world.target.stubborn[lease.account] = REFUSED
        for _ in range(4):
            await world.sweep()
            await world.issuance.revoke(OPERATOR, lease.id)
        world.target.stubborn.clear()
        await asyncio.sleep(0.01)
        await many.revoke(READER, force=True)
        await many.forcing.force()
        assert (await world.lease(lease.id)).state is LeaseState.REVOKING
        await many.step()
        assert not lifecycle.was_forced(await world.lease(lease.id))
        assert not world.target.accounts


@on_virtual_time
async def test_what_was_never_tried_is_not_forced_because_another_fails(tmp_path: Path) -> None:
    """Somebody worked on it when the order came, and it began to end later."""
    async with bulk(tmp_path) as (world, many):
        stubborn, busy = (await world.issue()).lease, (await world.issue()).lease
        world.target.stubborn[stubborn.account] = REFUSED
        await many.revoke(READER, force=True)
        async with world.remover.claims.of(busy.id):
            await world.enforcer.carry_out()
            await world.sweep()
        assert (await world.lease(busy.id)).state is LeaseState.ACTIVE
        await asyncio.sleep(1)
        await world.issuance.revoke(HOLDER, busy.id, wait=False)
        await many.forcing.force()
        states = [(await world.lease(lease.id)).state for lease in (stubborn, busy)]
        assert states == [LeaseState.REVOKED, LeaseState.REVOKING]
        await many.step()
        assert not lifecycle.was_forced(await world.lease(busy.id))
        assert busy.account not in world.target.accounts


@on_virtual_time
async def test_a_second_look_that_is_due_is_waited_for(tmp_path: Path) -> None:
    async with bulk(tmp_path) as (world, many):
        world.target.fail("issue", Fault.HANG)
        with pytest.raises(EngineTemporary):
            await world.issue()
        await many.revoke(READER, force=True)
        await many.step()
        [lease] = await world.leases()
        assert lease.state is LeaseState.DISABLED
        await asyncio.sleep(60)
        await many.step()
        [lease] = await world.leases()
        assert (lease.state, lifecycle.was_forced(lease)) == (LeaseState.REVOKED, False)


@on_virtual_time
async def test_a_second_look_that_the_target_refuses_is_forced(tmp_path: Path) -> None:
    async with bulk(tmp_path) as (world, many):
        world.target.fail("issue", Fault.HANG_AFTER)
        with pytest.raises(EngineTemporary):
            await world.issue()
        [lease] = await world.leases()
        assert lifecycle.looks_again(lease)
        world.target.make(lease.account, world.clock.wall(lease.expires_ms))
        world.target.stubborn[lease.account] = REFUSED
        await many.revoke(READER, force=True)
        for _ in range(3):
            await asyncio.sleep(20)
            await many.step()
        assert lifecycle.was_forced(await world.lease(lease.id))
        assert await many.watch.look() == [("forced", f"engine:main/{lease.account}")]


@on_virtual_time
async def test_an_account_that_is_disabled_and_stays_is_let_go_too(tmp_path: Path) -> None:
    async with bulk(tmp_path) as (world, many):
        lease = (await world.issue()).lease
        residue = Removal(stage=Stage.DISABLED, residue="objects depend on it (2BP01)")
        world.target.stubborn[lease.account] = residue
        await many.revoke(READER, force=True)
        await many.step()
        ended = await world.lease(lease.id)
        assert (ended.state, ended.last_error) == (LeaseState.REVOKED, residue.residue)
        assert await many.watch.look() == [("forced", f"engine:main/{lease.account}")]


@on_virtual_time
async def test_a_daemon_that_dies_while_it_forces_leaves_no_account_unknown(
    tmp_path: Path,
) -> None:
    """At no step is there an account that stands, and neither a live lease nor a finding."""
    for steps in range(40):
        folder = tmp_path / str(steps)
        folder.mkdir()
        async with bulk(folder) as (world, many):
            for _ in range(2):
                world.target.stubborn[(await world.issue()).lease.account] = REFUSED
            await many.revoke(READER, force=True)
            world.fate.after(steps)
            work = asyncio.create_task(many.step())
            died = asyncio.create_task(world.fate.died.wait())
            await asyncio.wait({work, died}, return_when=asyncio.FIRST_COMPLETED)
            for task in (work, died):
                task.cancel()
            await asyncio.gather(work, died, return_exceptions=True)
            await world.crash()
            await world.start()
            again = Bulk(world)
            known = {
                finding.sighting.account for finding in await again.watch.drift.findings.load()
            }
            known |= {
                lease.account
                for lease in await world.leases()
                if lease.state is not LeaseState.REVOKED
            }
            assert set(world.target.accounts) <= known
            await again.step()
            assert {lease.state for lease in await world.leases()} == {LeaseState.REVOKED}
            assert len(await again.watch.look()) == 2


@on_virtual_time
async def test_an_engine_that_leaves_the_policy_takes_its_findings_along_and_says_so(
    tmp_path: Path,
) -> None:
    async with bulk(tmp_path) as (world, many):
        lease = (await world.issue()).lease
        world.target.stubborn[lease.account] = REFUSED
        await many.revoke(READER, force=True)
        await many.step()
        world.serve(a_bundle(engines={"other": ENGINES["other"]}))
        assert await many.watch.look() == []
        assert (await many.watch.told())[-1].detail["why"] == (
            "the engine is not in the policy any more"
        )
