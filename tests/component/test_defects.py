"""A defect, or a disk that refuses, at one place holds up nothing else and is caught up with."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakes.bulk import bulk, live
from fakes.clock import on_virtual_time, virtual_clock
from fakes.world import World
from leasehold import failpoints
from leasehold.errors import Unavailable
from leasehold.model import LeaseState

READER, BRIEF = "database/creds/reader", "database/creds/brief"


@contextmanager
def failing(folder: Path, point: str, **how: object) -> Iterator[None]:
    """What is asked for happens at `point` while the block runs."""
    path = folder / "failpoints.json"
    path.write_text(json.dumps({point: how}))
    path.chmod(0o600)
    failpoints.arm(path)
    try:
        yield
    finally:
        failpoints.disarm()


@on_virtual_time
async def test_an_order_that_meets_a_defect_holds_up_no_other_and_is_carried_out_later(
    tmp_path: Path,
) -> None:
    async with bulk(tmp_path / "world") as (world, many):
        await world.issue(READER)
        await world.issue(BRIEF)
        await many.revoke(READER)
        await many.revoke(BRIEF)
        with failing(tmp_path, "enforce.page", action="defect", times=1):
            await world.enforcer.carry_out()
        await world.sweep()
        assert len(await live(world)) == 1
        await many.step()
        assert await live(world) == {}


@on_virtual_time
async def test_what_an_issue_that_failed_could_not_even_revoke_ends_at_its_deadline(
    tmp_path: Path,
) -> None:
    async with World(tmp_path / "world", virtual_clock()) as world:
        with (
            failing(tmp_path, "store.commit", action="full", after=1, times=3),
            pytest.raises(Unavailable),
        ):
            await world.issue(ttl_s=5)
        [lease] = await world.leases()
        assert (lease.state, list(world.target.accounts)) == (LeaseState.PENDING, [lease.account])
        await asyncio.sleep(5)
        await world.sweep()
        assert not world.target.accounts
