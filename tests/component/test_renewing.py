"""Renewing: the target first, the ledger second, never past the maximum (W14)."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import Fault
from fakes.policy import GRANTS, HOLDER, OPERATOR, ROLES, a_bundle, roles_with
from fakes.world import World
from leasehold import failpoints
from leasehold.errors import (
    Denied,
    EnginePermanent,
    EngineTemporary,
    Invalid,
    NotFound,
    Unavailable,
)
from leasehold.model import EventType, LeaseState


@pytest.fixture
def commit_fails(tmp_path: Path) -> Iterator[Path]:
    """Armed by the test; every commit meets a full disk then."""
    path = tmp_path / "failpoints.json"
    path.write_text('{"store.commit": {"action": "full"}}')
    path.chmod(0o600)
    yield path
    failpoints.disarm()


@on_virtual_time
async def test_a_renewal_moves_the_deadline_here_and_at_the_target(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        issued = await world.issue(ttl_s=600)
        await asyncio.sleep(300)
        renewed = await world.issuance.renew(HOLDER, issued.lease.id, 3_600)
        assert renewed.ttl_s == 3_600
        lease = await world.lease(issued.lease.id)
        assert lease.expires_ms == world.clock.now_ms() + 3_600_000
        later = world.clock.wall(lease.expires_ms) + timedelta(seconds=60)
        assert world.target.accounts == {lease.account: later}
        await asyncio.sleep(3_599)
        await world.sweep()
        assert (await world.lease(lease.id)).state is LeaseState.ACTIVE
        assert await world.told() == [EventType.ISSUED, EventType.RENEWED, EventType.EXPIRING]


@on_virtual_time
async def test_an_increment_counts_from_now_and_may_shorten(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        issued = await world.issue()
        await world.issuance.renew(HOLDER, issued.lease.id, 10)
        await asyncio.sleep(11)
        await world.sweep()
        assert not world.target.accounts


@on_virtual_time
async def test_no_number_of_renewals_passes_the_maximum(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        issued = await world.issue("database/creds/brief")
        capped = []

        async def renew_for_ever() -> None:
            while True:
                renewed = await world.issuance.renew(HOLDER, issued.lease.id, 60)
                capped.extend(renewed.warnings)
                assert renewed.lease.expires_ms <= issued.lease.max_expires_ms
                await asyncio.sleep(min(45, renewed.ttl_s - 0.5))

        with pytest.raises(Invalid, match="past the max TTL"):
            await renew_for_ever()
        assert "capped" in capped[0]
        await asyncio.sleep(1)
        await world.sweep()
        assert not world.target.accounts
        lived_s = (world.clock.now_ms() - issued.lease.issued_ms) / 1000
        assert lived_s == pytest.approx(300, abs=1)


@on_virtual_time
async def test_the_maximum_is_the_one_of_the_issue_or_a_smaller_one_since(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        issued = await world.issue("database/creds/brief")
        world.serve(a_bundle(roles=roles_with("brief", max_ttl_s=86_400)))
        renewed = await world.issuance.renew(HOLDER, issued.lease.id, 80_000)
        assert renewed.ttl_s == 300, "a policy that allows more does not lengthen old leases"
        world.serve(a_bundle(roles=roles_with("brief", max_ttl_s=100)))
        await asyncio.sleep(40)
        renewed = await world.issuance.renew(HOLDER, issued.lease.id, 80_000)
        assert renewed.ttl_s == 60
        await asyncio.sleep(60.5)
        with pytest.raises(Invalid):
            await world.issuance.renew(HOLDER, issued.lease.id, 1)


@on_virtual_time
async def test_what_is_over_is_not_renewed(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        late, gone = await world.issue(ttl_s=60), await world.issue()
        await world.issuance.revoke(HOLDER, gone.lease.id)
        await asyncio.sleep(60)
        for issued in (late, gone):
            with pytest.raises(Invalid, match="is over, it cannot be renewed; ask for a new one"):
                await world.issuance.renew(HOLDER, issued.lease.id, 60)
        assert world.target.calls["renew"] == 0


@on_virtual_time
async def test_nobody_but_the_holder_renews_whatever_else_it_may(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        issued = await world.issue()
        with pytest.raises(NotFound):
            await world.issuance.renew(OPERATOR, issued.lease.id, 60)


@on_virtual_time
async def test_a_holder_whose_rule_is_gone_may_give_up_and_not_renew(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        issued = await world.issue()
        world.serve(a_bundle(grants=GRANTS[1:]))
        with pytest.raises(Denied):
            await world.issuance.renew(HOLDER, issued.lease.id, 60)
        world.serve(a_bundle(roles={place: ROLES[place] for place in [("cache", "user")]}))
        with pytest.raises(Invalid, match="unknown role"):
            await world.issuance.renew(HOLDER, issued.lease.id, 60)
        assert await world.issuance.revoke(HOLDER, issued.lease.id)
        assert not world.target.accounts


@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.HANG, Fault.REFUSED, Fault.AFTER])
@on_virtual_time
async def test_a_renewal_that_the_target_did_not_confirm_leaves_the_earlier_date(
    tmp_path: Path, fault: Fault
) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        issued = await world.issue(ttl_s=60)
        world.target.fail("renew", fault)
        with pytest.raises((EngineTemporary, EnginePermanent)):
            await world.issuance.renew(HOLDER, issued.lease.id, 3_600)
        assert (await world.lease(issued.lease.id)).expires_ms == issued.lease.expires_ms
        await asyncio.sleep(61)
        await world.sweep()
        assert not world.target.accounts


@on_virtual_time
async def test_a_renewal_that_the_ledger_did_not_take_leaves_the_earlier_date(
    tmp_path: Path, commit_fails: Path
) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        issued = await world.issue(ttl_s=60)
        failpoints.arm(commit_fails)
        with pytest.raises(Unavailable):
            await world.issuance.renew(HOLDER, issued.lease.id, 3_600)
        failpoints.disarm()
        assert (await world.lease(issued.lease.id)).expires_ms == issued.lease.expires_ms
        deadline = world.clock.wall(issued.lease.expires_ms)
        assert world.target.accounts[issued.lease.account] > deadline
        await asyncio.sleep(61)
        await world.sweep()
        assert not world.target.accounts


@on_virtual_time
async def test_a_renewal_and_an_expiry_never_cross(tmp_path: Path) -> None:
    """A renewal that began in time may hang past the deadline; the expiry waits for it."""
    async with World(tmp_path, virtual_clock()) as world:
        issued = await world.issue(ttl_s=60)
        await asyncio.sleep(59)
        world.target.fail("renew", Fault.HANG)
        renewal = asyncio.create_task(world.issuance.renew(HOLDER, issued.lease.id, 600))
        await asyncio.sleep(5)
        await world.sweep()
        assert world.target.accounts, "somebody is at work on it"
        with pytest.raises(EngineTemporary):
            await renewal
        await world.sweep()
        assert not world.target.accounts
