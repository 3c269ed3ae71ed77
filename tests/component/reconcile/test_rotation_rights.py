"""Rights that a rotation needs are looked at before the role is served, not when it is due."""

from pathlib import Path

import pytest

from component.reconcile.test_rehearsal import results, serving
from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import FakeEngine, Fault
from fakes.proving import READER, Proving
from fakes.world import World
from leasehold.errors import Unsafe
from leasehold.plugin import Engine
from leasehold.reconcile.changes import CheckResult

BILLING = {"main/billing": {"username": "billing_app", "rotation": {"every": "30d"}}}
PAIR = {"main/billing": {"pair": ["billing_app", "late"], "rotation": {"every": "30d"}}}
LINE = "cannot rotate late: GRANT late TO me;"


@on_virtual_time
async def test_a_static_role_whose_rights_are_missing_is_refused_with_what_to_run(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (world, proving):
        world.target.lacking["late"] = [LINE]
        with pytest.raises(Unsafe) as refused:
            await proving.apply(READER, static=PAIR)
        assert f"rehearsal-failed: static:main/billing: {LINE.removesuffix(';')}" in str(
            refused.value
        )
        assert proving.serving.current().number == 1
        world.target.lacking.clear()
        plan = await proving.apply(READER, static=PAIR)
        assert results(plan) == {"static:main/billing": CheckResult.OK}
        assert not world.target.calls["rotate_static"], "nothing is changed by looking"


@on_virtual_time
async def test_only_what_is_new_or_changed_is_looked_at(tmp_path: Path) -> None:
    async with serving(tmp_path) as (world, proving):
        assert results(await proving.apply(READER, static=BILLING))
        world.target.lacking["billing_app"] = ["cannot rotate billing_app: GRANT …;"]
        slower = {"main/billing": {**BILLING["main/billing"], "rotation": {"every": "60d"}}}
        assert not results(await proving.apply(READER, static=slower))
        with pytest.raises(Unsafe, match="cannot rotate billing_app"):
            await proving.apply(READER, static=PAIR)


class SilentEngine(FakeEngine):
    check_rotation = Engine.check_rotation


class SilentWorld(World):
    engine_class = SilentEngine


@on_virtual_time
async def test_of_an_engine_that_cannot_look_nothing_is_said_to_be_well(tmp_path: Path) -> None:
    async with SilentWorld(tmp_path, virtual_clock()) as world:
        proving = await Proving(world).serve()
        [check] = (await proving.apply(READER, static=BILLING)).checks
        assert (check.result, check.message) == (
            CheckResult.SKIPPED,
            "fake tells it at the rotation",
        )


@pytest.mark.parametrize(
    ("fault", "result"), [(Fault.BEFORE, CheckResult.SKIPPED), (Fault.REFUSED, CheckResult.FAILED)]
)
@on_virtual_time
async def test_a_target_that_is_away_says_nothing_and_holds_nothing_up(
    tmp_path: Path, fault: Fault, result: CheckResult
) -> None:
    async with serving(tmp_path) as (world, proving):
        world.target.fail("check_rotation", fault)
        plan = await proving.apply(READER, "rehearsal-failed", static=BILLING)
        assert results(plan) == {"static:main/billing": result}
