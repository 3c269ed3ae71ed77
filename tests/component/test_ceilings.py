"""What a target itself allows is told when it is near, and respected when it is nearer."""

from pathlib import Path
from typing import Any

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import Fault
from fakes.policy import HOLDER, a_bundle
from fakes.world import World
from leasehold.admission.usage import Usage
from leasehold.errors import QuotaReached
from leasehold.model import EventType
from leasehold.plugin import Ceiling
from leasehold.quota import Kind, Quota, Quotas


def ceiling(used: int, **changes: Any) -> Ceiling:
    return Ceiling(**{"name": "connections", "used": used, "most": 100, **changes})


async def measured(world: World, *ceilings: Ceiling) -> list[str]:
    """The lines of trouble after these were measured at the target."""
    world.target.ceilings = ceilings
    await world.admission.ceilings.measure("main")
    return world.admission.ceilings.troubles()


async def near(world: World) -> int:
    """How often it was told that a ceiling is near."""
    return (await world.told()).count(EventType.CEILING_NEAR)


@on_virtual_time
async def test_near_a_ceiling_it_is_told_and_closer_nothing_more_is_issued(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        held = await world.issue()
        assert await measured(world, ceiling(69)) == []
        assert await near(world) == 0
        remedy = "raise max_connections"
        assert await measured(world, ceiling(70, remedy=remedy)) == [
            "engine main: connections 70 of 100 (70 %), it fills up; raise max_connections"
        ]
        await world.issue()
        assert await near(world) == 1
        await measured(world, ceiling(89))
        assert await near(world) == 1, "told once while it stays near"
        assert not world.admission.ceilings.refuses

        [line] = await measured(world, ceiling(90, remedy=remedy))
        assert world.admission.ceilings.refuses
        assert await near(world) == 2
        with pytest.raises(QuotaReached) as caught:
            await world.issue()
        assert str(caught.value) == f"{line}; it is measured again every 30 s"
        assert line == (
            "engine main: connections 90 of 100 (90 %), no more leases are issued;"
            " raise max_connections"
        )
        assert caught.value.retry_after_s == 30
        await world.issue("cache/creds/user")
        await world.issuance.renew(HOLDER, held.lease.id, 60)
        await world.issuance.revoke(HOLDER, held.lease.id)
        assert await measured(world, ceiling(60)) == []
        await world.issue()


@on_virtual_time
async def test_only_roles_that_use_it_are_refused(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        [line] = await measured(world, ceiling(99, roles=frozenset({"brief"})))
        assert "no more leases of brief are issued" in line
        await world.issue("database/creds/reader")
        with pytest.raises(QuotaReached):
            await world.issue("database/creds/brief")


@on_virtual_time
async def test_the_policy_says_what_is_near(tmp_path: Path) -> None:
    quota = Quota(ceiling_warn_pct=20, ceiling_refuse_pct=50)
    bundle = a_bundle(quotas=Quotas(named={(Kind.ENGINE, "main"): quota}))
    async with World(tmp_path, virtual_clock(), bundle) as world:
        assert len(await measured(world, ceiling(20))) == 1
        await world.issue()
        await measured(world, ceiling(50))
        with pytest.raises(QuotaReached):
            await world.issue()
        assert await near(world) == 2


@on_virtual_time
async def test_what_another_policy_makes_near_is_told(tmp_path: Path) -> None:
    quota = Quota(ceiling_warn_pct=20)
    async with World(tmp_path, virtual_clock()) as world:
        assert await measured(world, ceiling(20)) == []
        world.serve(a_bundle(quotas=Quotas(named={(Kind.ENGINE, "main"): quota})))
        assert len(await measured(world, ceiling(20))) == 1
        assert await near(world) == 1


@on_virtual_time
async def test_no_target_is_measured_while_somebody_waits_for_a_lease(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        await measured(world, ceiling(10))
        for _ in range(5):
            await world.issue()
        assert world.target.calls["ceilings"] == 1


@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.HANG, Fault.DEFECT])
def test_what_cannot_be_measured_refuses_nobody(tmp_path: Path, fault: Fault) -> None:
    @on_virtual_time
    async def body() -> None:
        async with World(tmp_path, virtual_clock()) as world:
            await measured(world, ceiling(99))
            world.target.fail("ceilings", fault)
            assert await measured(world, ceiling(99)) == []
            await world.issue()

    body()


@on_virtual_time
async def test_a_ceiling_is_among_the_usage_and_leaves_with_its_engine(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        await measured(world, ceiling(72))
        assert await world.admission.usage() == [Usage("engine", "main", "connections", 72, 100)]
        bundle = world.generation.bundle
        roles = {place: role for place, role in bundle.roles.items() if role.engine == "other"}
        world.serve(a_bundle(engines={"other": bundle.engines["other"]}, roles=roles))
        assert await world.admission.usage() == []
        assert world.admission.ceilings.troubles() == []
