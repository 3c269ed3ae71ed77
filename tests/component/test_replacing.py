"""One lease after another: both work, the first until it is acknowledged or its grace is over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import Fault
from fakes.policy import HOLDER, STRANGER, a_bundle, roles_with
from fakes.replacing import replacing_of
from fakes.world import World
from leasehold.conditions import Requirement
from leasehold.errors import EngineTemporary, Invalid, NotFound, QuotaReached
from leasehold.handing import Succession
from leasehold.model import Cause, EventType, LeaseState
from leasehold.quota import Kind, Quota, Quotas
from leasehold.replacing import Replacing

OVERLAP = Succession(overlap_s=600, grace_s=120)


@asynccontextmanager
async def near_the_end(
    folder: Path, succession: Succession = OVERLAP, *, left_s: int = 60, **changes: Any
) -> AsyncIterator[tuple[World, str, Replacing]]:
    """A world with one lease of an hour, which ends in `left_s`."""
    role = changes.pop("role", {})
    roles = roles_with("reader", succession=succession, **role)
    async with World(folder, virtual_clock(), a_bundle(roles=roles, **changes)) as world:
        issued = await world.issue()
        await asyncio.sleep(3_600 - left_s)
        yield world, issued.lease.id, replacing_of(world)


@on_virtual_time
async def test_the_next_credential_comes_while_the_last_one_works(tmp_path: Path) -> None:
    async with near_the_end(tmp_path) as (world, first, replacing):
        issued, before = await replacing.replace(HOLDER, first)
        assert issued.lease.id != first
        assert (issued.lease.replaces, before.replaced_by) == (first, issued.lease.id)
        assert set(world.target.accounts) == {issued.lease.account, before.account}
        now_ms = world.clock.now_ms()
        assert before.expires_ms == before.max_expires_ms == now_ms + 120_000, "its grace"
        assert issued.lease.expires_ms == now_ms + 3_600_000
        end = world.clock.wall(before.expires_ms) + timedelta(seconds=60)
        assert world.target.accounts[before.account] == end
        assert await world.lease(first) == before
        assert EventType.REPLACED in await world.told(first)


@on_virtual_time
async def test_the_last_one_ends_when_the_next_is_acknowledged(tmp_path: Path) -> None:
    async with near_the_end(tmp_path) as (world, first, replacing):
        issued, _ = await replacing.replace(HOLDER, first)
        assert await replacing.acknowledge(HOLDER, issued.lease.id)
        ended = await world.lease(first)
        assert (ended.state, ended.cause) == (LeaseState.REVOKED, Cause.REPLACED)
        assert set(world.target.accounts) == {issued.lease.account}
        assert EventType.ACKNOWLEDGED in await world.told(issued.lease.id)
        told = await world.told()
        assert await replacing.acknowledge(HOLDER, issued.lease.id), "twice is quiet"
        assert await world.told() == told


@on_virtual_time
async def test_without_a_word_it_ends_with_its_grace(tmp_path: Path) -> None:
    async with near_the_end(tmp_path) as (world, first, replacing):
        _, before = await replacing.replace(HOLDER, first)
        await asyncio.sleep(119)
        await world.sweep()
        assert before.account in world.target.accounts
        await asyncio.sleep(2)
        await world.sweep()
        assert before.account not in world.target.accounts
        assert (await world.lease(first)).cause is Cause.TTL


@on_virtual_time
async def test_no_grace_passes_the_maximum_of_a_lease(tmp_path: Path) -> None:
    async with near_the_end(tmp_path, role={"max_ttl_s": 3_600}) as (world, first, replacing):
        _, before = await replacing.replace(HOLDER, first)
        assert before.expires_ms - world.clock.now_ms() == 60_000


@on_virtual_time
async def test_a_lease_is_not_replaced_too_early(tmp_path: Path) -> None:
    async with near_the_end(tmp_path, left_s=700) as (world, first, replacing):
        with pytest.raises(Invalid, match="in its last 600 s, come back in 100 s"):
            await replacing.replace(HOLDER, first)
        assert len(world.target.accounts) == 1


@on_virtual_time
async def test_what_was_replaced_is_neither_renewed_nor_replaced_again(tmp_path: Path) -> None:
    async with near_the_end(tmp_path) as (world, first, replacing):
        issued, _ = await replacing.replace(HOLDER, first)
        with pytest.raises(Invalid, match=f"was replaced by {issued.lease.id}"):
            await world.issuance.renew(HOLDER, first, None)
        with pytest.raises(Invalid, match=f"was replaced already, by {issued.lease.id}"):
            await replacing.replace(HOLDER, first)
        assert len(world.target.accounts) == 2


@on_virtual_time
async def test_several_that_ask_at_once_get_one_successor(tmp_path: Path) -> None:
    async with near_the_end(tmp_path) as (world, first, replacing):
        asked = [replacing.replace(HOLDER, first) for _ in range(4)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert sorted(isinstance(each, Invalid) for each in results) == [False, True, True, True]
        assert len(world.target.accounts) == 2


@on_virtual_time
async def test_after_a_reply_that_was_lost_it_may_be_asked_again(tmp_path: Path) -> None:
    async with near_the_end(tmp_path) as (world, first, replacing):
        lost, _ = await replacing.replace(HOLDER, first)
        await world.issuance.undelivered(HOLDER, lost)
        again, before = await replacing.replace(HOLDER, first)
        assert before.replaced_by == again.lease.id
        assert set(world.target.accounts) == {again.lease.account, before.account}


@on_virtual_time
async def test_only_its_holder_replaces_and_acknowledges_a_lease(tmp_path: Path) -> None:
    async with near_the_end(tmp_path) as (world, first, replacing):
        with pytest.raises(NotFound):
            await replacing.replace(STRANGER, first)
        issued, _ = await replacing.replace(HOLDER, first)
        with pytest.raises(NotFound):
            await replacing.acknowledge(STRANGER, issued.lease.id)
        with pytest.raises(Invalid, match="replaces none"):
            await replacing.acknowledge(HOLDER, first)
        assert len(world.target.accounts) == 2


@on_virtual_time
async def test_a_full_quota_of_the_holder_has_room_for_the_successor(tmp_path: Path) -> None:
    quotas = Quotas(named={(Kind.IDENTITY, "holder"): Quota(max_leases=1)})
    async with near_the_end(tmp_path, quotas=quotas) as (world, first, replacing):
        with pytest.raises(QuotaReached):
            await world.issue()
        assert await replacing.replace(HOLDER, first)


@on_virtual_time
async def test_the_successor_is_asked_for_with_what_the_first_was(tmp_path: Path) -> None:
    require = (Requirement("ticket", "[A-Z]+-[0-9]+"),)
    roles = roles_with("reader", succession=OVERLAP, require=require)
    async with World(tmp_path, virtual_clock(), a_bundle(roles=roles)) as world:
        path = ("database", "creds", "reader")
        said = {"ticket": "ABC-1", "reason": "night"}
        issued = await world.issuance.issue(HOLDER, *path, given=lambda _: said)
        await asyncio.sleep(3_540)
        first = issued.lease.id
        after, _ = await replacing_of(world).replace(
            HOLDER, first, given=lambda _: {"reason": "day", "ticket": ""}
        )
        assert after.lease.labels == {"ticket": "ABC-1", "reason": "day"}


@on_virtual_time
async def test_a_target_that_cannot_be_told_of_the_grace_keeps_the_end(tmp_path: Path) -> None:
    async with near_the_end(tmp_path) as (world, first, replacing):
        world.target.fail("renew", Fault.BEFORE)
        _, before = await replacing.replace(HOLDER, first)
        assert before.expires_ms - world.clock.now_ms() <= 60_000


@on_virtual_time
async def test_a_successor_that_cannot_be_made_changes_nothing(tmp_path: Path) -> None:
    async with near_the_end(tmp_path) as (world, first, replacing):
        lease = await world.lease(first)
        world.target.fail("issue", Fault.BEFORE)
        with pytest.raises(EngineTemporary):
            await replacing.replace(HOLDER, first)
        assert await world.lease(first) == lease


@pytest.mark.parametrize("step", range(18))
@on_virtual_time
async def test_a_crash_anywhere_leaves_no_account_past_its_lease(tmp_path: Path, step: int) -> None:
    async with near_the_end(tmp_path) as (world, first, replacing):
        max_ms = (await world.lease(first)).max_expires_ms
        world.fate.after(step)
        asking = asyncio.create_task(replacing.replace(HOLDER, first))
        await asyncio.wait([asking], timeout=60)
        assert world.fate.dead, "fewer steps than were tried"
        asking.cancel()
        await world.crash()
        await world.start()
        await world.settle()
        await world.assert_accounts_agree()
        assert (await world.lease(first)).expires_ms <= max_ms
