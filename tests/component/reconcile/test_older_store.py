"""Leases of every way to hand them out live on over an older store, each as it was."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.lines import connected, running
from fakes.older_store import keep_store, put_back, release
from fakes.policy import HOLDER, a_bundle, roles_with
from fakes.replacing import replacing_of
from fakes.secret_ids import AppRole
from fakes.warming import unused, warmed, warming_of
from fakes.world import World
from leasehold.bundle import Bind
from leasehold.errors import Invalid
from leasehold.handing import Succession
from leasehold.model import Cause, Lease, LeaseState

NOT_TOLD = {"version": 0, "renewed_ms": None, "generation": 0, "warned": False, "next_ms": None}


def as_told(lease: Lease) -> Lease:
    """A lease without what the audit does not say, and to the nearest second."""
    spans = ("issued_ms", "expires_ms", "max_expires_ms", "ttl_ms")
    rounded = {name: round(getattr(lease, name), -3) for name in spans}
    return replace(lease, **rounded, **NOT_TOLD)  # type: ignore[arg-type]


@on_virtual_time
async def test_an_account_made_ahead_is_whose_it_became(tmp_path: Path) -> None:
    async with warmed(tmp_path) as (world, _):
        kept = keep_store(world)
        await asyncio.sleep(30)
        issued = await world.issue(ttl_s=1_800)
        given = issued.lease
        await world.issuance.delivered(HOLDER, issued)
        await put_back(world, kept)
        await release(world)
        assert as_told(await world.lease(given.id)) == as_told(given)
        assert await warming_of(world).forget_what_was_forgotten()
        await world.settle()
        assert set(world.target.accounts) == {given.account}, "what nobody was given has ended"


@on_virtual_time
async def test_an_account_that_was_made_ahead_since_ends_as_unused(tmp_path: Path) -> None:
    async with warmed(tmp_path) as (world, warming):
        kept = keep_store(world)
        given = (await world.issue()).lease
        await warming.round()
        [older, newer] = await unused(world)
        await put_back(world, kept)
        await release(world)
        assert {older.id, newer.id} == {lease.id for lease in await unused(world)}
        assert (await world.lease(newer.id)).handle == newer.handle
        assert await warming_of(world).forget_what_was_forgotten()
        await world.settle()
        assert (await world.lease(newer.id)).cause is Cause.UNUSED
        assert set(world.target.accounts) == {given.account}


@on_virtual_time
async def test_a_lease_that_was_replaced_since_is_replaced(tmp_path: Path) -> None:
    roles = roles_with("reader", succession=Succession(overlap_s=600, grace_s=120))
    async with World(tmp_path, virtual_clock(), a_bundle(roles=roles)) as world:
        first = (await world.issue()).lease
        await asyncio.sleep(3_200)
        kept = keep_store(world)
        issued, before = await replacing_of(world).replace(HOLDER, first.id)
        await put_back(world, kept)
        await release(world)
        for lease in (before, issued.lease):
            assert as_told(await world.lease(lease.id)) == as_told(lease)
        assert await replacing_of(world).acknowledge(HOLDER, issued.lease.id)
        assert set(world.target.accounts) == {issued.lease.account}


@on_virtual_time
async def test_what_was_bound_since_ends_with_what_it_is_bound_to(tmp_path: Path) -> None:
    roles = roles_with("reader", bind=Bind.CONNECTION)
    async with World(tmp_path, virtual_clock(), a_bundle(roles=roles)) as world:
        kept = keep_store(world)
        bound = (await world.issue(caller=connected("a"))).lease
        await put_back(world, kept)
        await world.holding.take_up()
        with running(world):
            await release(world)
            await asyncio.sleep(0.1)
            await world.sweep()
        lease = await world.lease(bound.id)
        assert (lease.state, lease.cause) == (LeaseState.REVOKED, Cause.HOLDER_ENDED)


@on_virtual_time
async def test_a_secret_id_is_good_for_no_more_logins_than_before(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        approle = AppRole(world)
        used, used_up, revoked, kept = [await approle.pair() for _ in range(4)]
        store = keep_store(world)
        await approle.login(used)
        for _ in range(3):
            await approle.login(used_up)
        await approle.reply("destroy", secret_id=revoked["secret_id"])
        await put_back(world, store)
        again = AppRole(world)
        for pair, left in ((used, 2), (used_up, 0), (revoked, 0), (kept, 3)):
            for _ in range(left):
                await again.login(pair)
            with pytest.raises(Invalid):
                await again.login(pair)
