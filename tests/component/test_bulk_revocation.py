"""Ending all leases below a prefix: what is hit and what is not, who may, how it is answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fakes.bulk import Bulk, bulk, live
from fakes.clock import on_virtual_time
from fakes.engine import Fault
from fakes.policy import HOLDER, OPERATOR
from fakes.world import World
from leasehold import failpoints
from leasehold.errors import EngineTemporary, NotFound, Unavailable
from leasehold.model import Cause, EventType, LeaseState
from leasehold.reconcile.revocation_book import KEPT

READER, BRIEF, USER = "database/creds/reader", "database/creds/brief", "cache/creds/user"


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[tuple[World, Bulk]]:
    """A world whose loops run."""
    async with bulk(tmp_path) as (world, many):
        loops = (world.worker.run(), world.enforcer.run(), many.forcing.run())
        tasks = [asyncio.create_task(loop) for loop in loops]
        yield world, many
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@on_virtual_time
async def test_all_below_a_prefix_end_and_nothing_else_does(tmp_path: Path) -> None:
    async with bulk(tmp_path) as (world, many):
        for path in (READER, READER, BRIEF, USER):
            await world.issue(path)
        await many.revoke(READER)
        await many.step()
        assert set(await live(world)) == {BRIEF, USER}
        await many.revoke("database/")
        await many.step()
        assert set(await live(world)) == {USER}
        causes = {lease.cause for lease in await world.leases()} - {None}
        assert causes == {Cause.OPERATOR}
        await world.assert_accounts_agree()


@on_virtual_time
async def test_a_prefix_without_a_slash_is_a_lease_or_all_below_it_and_no_other_name(
    tmp_path: Path,
) -> None:
    async with bulk(tmp_path) as (world, many):
        first, second = await world.issue(), await world.issue()
        reply = await many.revoke(first.lease.id)
        await many.step()
        assert (await many.shown(reply))["total"] == 1
        assert (await world.lease(second.lease.id)).state is LeaseState.ACTIVE
        for prefix in ("database/creds/read", second.lease.id[:-1], f"{second.lease.id}/"):
            reply = await many.revoke(prefix)
            await many.step()
            assert (await many.shown(reply))["total"] == 0
        assert (await world.lease(second.lease.id)).state is LeaseState.ACTIVE


@on_virtual_time
async def test_what_is_issued_after_the_order_lives(tmp_path: Path) -> None:
    async with bulk(tmp_path) as (world, many):
        old = await world.issue()
        await many.revoke(READER)
        await asyncio.sleep(0.001)
        new = await world.issue()
        for _ in range(3):
            await many.step()
        assert (await world.lease(old.lease.id)).state is LeaseState.REVOKED
        assert (await world.lease(new.lease.id)).state is LeaseState.ACTIVE


@on_virtual_time
async def test_an_issue_that_is_under_way_is_hit_when_it_is_done(tmp_path: Path) -> None:
    async with bulk(tmp_path) as (world, many):
        world.target.fail("issue", Fault.HANG_AFTER)
        hanging = asyncio.create_task(world.issue())
        await asyncio.sleep(1)
        reply = await many.revoke(READER)
        await many.step()
        assert await live(world) == {READER: LeaseState.PENDING}
        assert (await many.shown(reply))["waiting"] == 1
        with pytest.raises(EngineTemporary):
            await hanging
        await asyncio.sleep(60)
        await many.step()
        assert await live(world) == {}
        assert (await many.shown(reply))["finished_at"]
        await world.assert_accounts_agree()


@on_virtual_time
async def test_a_renewal_that_is_under_way_does_not_save_a_lease(tmp_path: Path) -> None:
    async with bulk(tmp_path) as (world, many):
        issued = await world.issue()
        world.target.fail("renew", Fault.HANG)
        renewal = asyncio.create_task(world.issuance.renew(HOLDER, issued.lease.id, 600))
        await asyncio.sleep(1)
        await many.revoke(READER)
        await many.step()
        with pytest.raises(EngineTemporary):
            await renewal
        await many.step()
        assert await live(world) == {}


@on_virtual_time
async def test_who_will_not_wait_gets_202_and_who_says_nothing_gets_204(tmp_path: Path) -> None:
    async with running(tmp_path) as (world, many):
        for sync, status in ((False, 202), (None, 204), (True, 204)):
            await world.issue()
            reply = await many.revoke(READER, sync=sync)
            assert reply.status == status
            assert (await many.shown(reply))["prefix"] == f"{READER}/"
            if sync is not False:
                assert await live(world) == {}
            await asyncio.sleep(5)
        assert not world.target.accounts


@on_virtual_time
async def test_a_target_that_is_away_is_told_to_who_wants_to_know(tmp_path: Path) -> None:
    async with running(tmp_path) as (world, many):
        for path in (READER, USER, USER):
            await world.issue(path)
        world.target.away = True
        patient = await many.revoke("database", sync=None)
        assert patient.status == 204
        with pytest.raises(Unavailable) as caught:
            await many.revoke("database", sync=True)
        text = str(caught.value)
        assert text.startswith("1 of 1 leases below database/ have not ended yet")
        assert "the target" in text
        assert (await many.revoke("cache", sync=True)).status == 204
        assert set(await live(world)) == {READER}
        shown = await many.shown(patient)
        assert (shown["total"], shown["ended"], shown["failing"]) == (1, 0, 1)
        assert shown["last_error"]
        assert shown["finished_at"] is None
        world.target.away = False
        await asyncio.sleep(60)
        shown = await many.shown(patient)
        assert (shown["total"], shown["ended"], shown["gone"], shown["failing"]) == (1, 1, 1, 0)
        assert shown["finished_at"]
        assert await live(world) == {}


@on_virtual_time
async def test_an_order_is_carried_out_although_its_caller_hung_up(tmp_path: Path) -> None:
    async with running(tmp_path) as (world, many):
        for steps in range(8):
            await world.issue()
            caller = asyncio.create_task(many.revoke(READER, sync=True))
            await asyncio.sleep(0)
            world.fate.after(steps, caller.cancel)
            await asyncio.gather(caller, return_exceptions=True)
            world.fate.after(None)
            await asyncio.sleep(5)
            assert await live(world) == {}, steps


@on_virtual_time
async def test_an_order_that_stands_is_given_anew_and_not_doubled(tmp_path: Path) -> None:
    async with bulk(tmp_path) as (world, many):
        world.target.away = True
        await world.issue(USER)
        first = await many.revoke("cache")
        await asyncio.sleep(1)
        await world.issue(USER)
        second = await many.revoke("cache")
        assert first.headers == second.headers
        await many.step()
        assert (await many.shown(first))["total"] == 2
        assert await live(world) == {}
        third = await many.revoke("cache")
        assert third.headers != first.headers


@on_virtual_time
async def test_an_order_outlives_the_daemon_at_whatever_step_that_dies(tmp_path: Path) -> None:
    for steps in range(30):
        folder = tmp_path / str(steps)
        folder.mkdir()
        async with bulk(folder) as (world, many):
            for path in (READER, BRIEF, BRIEF):
                await world.issue(path)
            reply = await many.revoke("database")
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
            await again.step()
            assert await live(world) == {}
            shown = await again.shown(reply)
            assert (shown["total"], shown["gone"]) == (3, 3)
            await world.assert_accounts_agree()


@on_virtual_time
async def test_who_ordered_it_and_what_became_of_it_is_told_once(tmp_path: Path) -> None:
    async with bulk(tmp_path) as (world, many):
        leases = [(await world.issue()).lease for _ in range(3)]
        reply = await many.revoke(READER)
        for _ in range(3):
            await many.step()
        assert await world.told() == [
            *[EventType.ISSUED] * 3,
            EventType.REVOCATION_ORDERED,
            *[EventType.REVOKED] * 3,
            EventType.REVOCATION_FINISHED,
        ]
        audited = await world.audited()
        ordered, finished = audited[""]
        order = reply.headers["X-Leasehold-Revocation"]
        assert ordered["caller"]["uid"] == OPERATOR.uid
        assert ordered["detail"]["path"] == f"{READER}/*"
        assert ordered["detail"]["verb"] == "revoke-any"
        assert ordered["detail"]["rule"] == "policy.yaml:2"
        assert (finished["event"], finished["detail"]["leases"]) == ("revocation-finished", "3")
        assert {line["detail"]["order"] for line in (ordered, finished)} == {order}
        for lease in leases:
            told = [line["event"] for line in audited[lease.id]]
            assert told == ["intended", "issued", "revoking", "revoked"]
            begun = audited[lease.id][2]
            assert (begun["caller"]["uid"], begun["detail"]["order"]) == (OPERATOR.uid, order)


@on_virtual_time
async def test_an_order_is_taken_while_the_audit_cannot_be_written(tmp_path: Path) -> None:
    async with bulk(tmp_path) as (world, many):
        await world.issue()
        path = tmp_path / "failpoints.json"
        path.write_text('{"audit.append": {"action": "full"}}')
        path.chmod(0o600)
        failpoints.arm(path)
        try:
            await many.revoke(READER)
            await many.step()
        finally:
            failpoints.disarm()
        assert not world.target.accounts
        await world.issue(BRIEF)
        assert "revocation-ordered" in [line["event"] for line in (await world.audited())[""]]


@on_virtual_time
async def test_orders_that_are_over_are_kept_for_a_while(tmp_path: Path) -> None:
    async with bulk(tmp_path) as (world, many):
        first = await many.revoke(READER)
        for _ in range(KEPT):
            await many.step()
            await asyncio.sleep(0.001)
            last = await many.revoke(READER)
        await many.step()
        assert len(await world.book.all()) == KEPT
        assert await many.shown(last)
        with pytest.raises(NotFound):
            await many.shown(first)


@on_virtual_time
async def test_a_damaged_row_does_not_keep_an_order_open(tmp_path: Path) -> None:
    async with bulk(tmp_path) as (world, many):
        whole, damaged = (await world.issue()).lease, (await world.issue()).lease
        world._store._db.execute("UPDATE lease SET owner = 'x' WHERE id = ?", (damaged.id,))
        reply = await many.revoke("database")
        await many.step()
        assert (await world.lease(whole.id)).state is LeaseState.REVOKED
        shown = await many.shown(reply)
        assert (shown["total"], shown["gone"]) == (1, 1)
        assert EventType.REVOCATION_FINISHED in await world.told()
