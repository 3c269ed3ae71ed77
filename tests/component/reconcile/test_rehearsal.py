"""New and changed roles are proved before they are served, and leave nothing behind (★3)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import Fault, RehearsingEngine
from fakes.proving import ENGINES, READER, Proving, nothing_is_left
from fakes.world import World
from leasehold.errors import Unavailable, Unsafe
from leasehold.model import Cause
from leasehold.reconcile.changes import CheckResult, Plan
from leasehold.reconcile.proofs import HOLDS_MS

FRESH = {**READER, "main/fresh": {"group": "apps"}}
STEPS = ["rehearse", "issue", "login", "revoke"]


class RehearsingWorld(World):
    engine_class = RehearsingEngine


@asynccontextmanager
async def serving(tmp_path: Path, **roles: object) -> AsyncIterator[tuple[World, Proving]]:
    async with RehearsingWorld(tmp_path, virtual_clock()) as world:
        yield world, await Proving(world).serve()


def results(plan: Plan) -> dict[str, CheckResult]:
    return {check.address: check.result for check in plan.checks}


@on_virtual_time
async def test_a_new_role_is_rehearsed_then_drilled_and_nothing_is_left(tmp_path: Path) -> None:
    async with serving(tmp_path) as (world, proving):
        plan = await proving.apply(FRESH)
        assert results(plan) == {"role:main/fresh": CheckResult.OK}
        assert {verb: world.target.calls[verb] for verb in STEPS} == {
            **{"rehearse": 1, "issue": 1, "login": 2, "revoke": 1}
        }
        assert proving.serving.current().number == 2
        [lease] = await world.leases()
        assert (lease.identity, lease.role, lease.cause) == (
            "leasehold:drill",
            "fresh",
            Cause.DRILL,
        )
        await nothing_is_left(world)


@on_virtual_time
async def test_the_first_policy_is_served_without_asking_a_target(tmp_path: Path) -> None:
    async with serving(tmp_path) as (world, _):
        assert not world.target.calls["open"]


FAULTS = {
    ("rehearse", Fault.REFUSED): "rehearsal: not allowed (42501)",
    ("rehearse", Fault.BEFORE): "rehearsal: the target cannot be reached",
    ("rehearse", Fault.HANG): "rehearsal: no answer within 17 s",
    ("rehearse", Fault.DEFECT): "rehearsal: a defect of engine type fake: RuntimeError in rehearse",
    ("issue", Fault.REFUSED): "issue: not allowed (42501)",
    ("issue", Fault.AFTER): "issue: the reply was lost",
    ("issue", Fault.HANG_AFTER): "issue: no answer within 17 s",
    ("issue", Fault.LATE): "issue: no answer within 17 s",
    ("issue", Fault.NONSENSE): "issue: a defect of engine type fake: TypeError in issue",
    ("issue", Fault.LIE): "login: the target refuses the new credential",
    ("login", Fault.REFUSED): "login: not allowed (42501)",
    ("login", Fault.HANG): "login: no answer within 17 s",
    ("login", Fault.DEFECT): "login: a defect of engine type fake: RuntimeError in login",
    ("revoke", Fault.REFUSED): "revoke: the account still stands: not allowed (42501)",
    ("revoke", Fault.AFTER): "revoke: the account still stands: the reply was lost",
    ("revoke", Fault.HANG): "revoke: the account still stands: no answer within 40 s",
}


@pytest.mark.parametrize(("verb", "fault"), FAULTS, ids=lambda each: str(each).replace(" ", "-"))
@on_virtual_time
async def test_a_failure_at_any_step_refuses_the_role_and_leaves_nothing(
    tmp_path: Path, verb: str, fault: Fault
) -> None:
    async with serving(tmp_path) as (world, proving):
        world.target.fail(verb, fault)
        with pytest.raises(Unsafe) as refused:
            await proving.apply(FRESH)
        line = f"rehearsal-failed: role:main/fresh: {FAULTS[verb, fault]}"
        assert line in str(refused.value)
        assert proving.serving.current().number == 1
        await world.finish_what_is_under_way()
        world.clock.advance(s=70)
        await nothing_is_left(world)
        assert results(await proving.apply(FRESH)) == {"role:main/fresh": CheckResult.OK}


@on_virtual_time
async def test_a_credential_that_outlives_its_account_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as (world, proving):
        world.target.fail("revoke", Fault.LIE)
        with pytest.raises(Unsafe, match="refused: the revoked credential still opens the target"):
            await proving.apply(FRESH)


@on_virtual_time
async def test_no_other_account_is_made_while_the_last_proof_s_one_stands(tmp_path: Path) -> None:
    async with serving(tmp_path) as (world, proving):
        world.target.fail("revoke", *[Fault.REFUSED] * 2)
        for line in ("revoke: the account still stands", "the account of an earlier drill still"):
            with pytest.raises(Unsafe, match=line):
                await proving.apply(FRESH)
            assert len(world.target.accounts) == 1
        await nothing_is_left(world)


@on_virtual_time
async def test_what_cannot_be_rehearsed_is_drilled_and_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, proving):
        [check] = (await proving.apply({**READER, "main/fresh": {"group": "lasting"}})).checks
        assert (check.result, check.message) == (CheckResult.OK, "not rehearsed: group: it lasts")


@on_virtual_time
async def test_an_engine_that_offers_no_rehearsal_is_drilled(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        proving = await Proving(world).serve()
        [check] = (await proving.apply(FRESH)).checks
        assert (check.result, check.message) == (CheckResult.OK, "")
        assert world.target.calls["issue"] == 1


@on_virtual_time
async def test_a_proof_is_remembered_until_something_of_it_changes(tmp_path: Path) -> None:
    async with serving(tmp_path) as (world, proving):
        calls = world.target.calls

        async def proofs(group: str = "apps", **more: object) -> int:
            """How many an apply takes, of a role that is not served before."""
            before = calls["issue"]
            await proving.apply({**READER, "main/fresh": {"group": group, **more}})
            await proving.apply(READER)
            return calls["issue"] - before

        assert await proofs() == 1
        assert await proofs() == 0
        assert await proofs(max_ttl="2h", default_ttl="1h", max_leases=3) == 0
        assert await proofs("others") == 1
        assert await proofs(username_template="x_{{name}}") == 1
        world.target.identity = "another server"
        assert await proofs() == 1
        world.clock.advance(ms=HOLDS_MS)
        assert await proofs() == 1
        await nothing_is_left(world)


@on_virtual_time
async def test_a_plan_shows_what_is_remembered_and_touches_no_target(tmp_path: Path) -> None:
    async with serving(tmp_path) as (world, proving):
        nobody = {**READER, "main/fresh": {"group": "nobody"}}
        with pytest.raises(Unsafe):
            await proving.apply(nobody)
        await proving.apply(FRESH)
        await proving.apply(READER)
        before = world.target.calls.copy()
        for roles, result, message in (
            (FRESH, CheckResult.OK, ""),
            (nobody, CheckResult.PENDING, "last time: rehearsal: group: there is no nobody"),
            ({"main/new": {}}, CheckResult.PENDING, "is proved when it is applied"),
            (READER, None, ""),
        ):
            proving.write(roles)
            plan = await proving.applier.plan()
            assert [check.result for check in plan.checks] == ([result] if result else [])
            assert all(message in check.message for check in plan.checks)
            assert not plan.unsafe
        assert world.target.calls == before


@on_virtual_time
async def test_a_target_that_is_away_holds_up_no_role_of_another(tmp_path: Path) -> None:
    async with serving(tmp_path) as (world, proving):
        world.targets["two"].away = True
        plan = await proving.apply({**FRESH, "other/user": {}})
        assert results(plan) == {
            "role:main/fresh": CheckResult.OK,
            "role:other/user": CheckResult.SKIPPED,
        }
        assert proving.serving.current().number == 2


@on_virtual_time
async def test_a_target_that_goes_away_meanwhile_proves_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as (world, proving):
        world.target.fail("check", None, *[Fault.BEFORE] * 9)
        world.target.fail("login", Fault.BEFORE)
        plan = await proving.apply(FRESH)
        assert results(plan) == {"role:main/fresh": CheckResult.SKIPPED}
        await nothing_is_left(world)


@on_virtual_time
async def test_a_new_connection_is_proved_with_itself_and_closed_when_it_is_refused(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (world, proving):
        await proving.apply(FRESH)
        moved = {**ENGINES, "main": {**ENGINES["main"], "connection": {"host": "one", "port": 7}}}
        closed, opened = world.target.calls["close"], world.target.calls["open"]
        world.target.fail("revoke", Fault.REFUSED)
        with pytest.raises(Unsafe):
            await proving.apply(FRESH, engines=moved)
        assert world.target.calls["open"] == opened + 1
        assert world.target.calls["close"] == closed + 1
        await nothing_is_left(world)
        plan = await proving.apply(FRESH, engines=moved)
        assert set(results(plan).values()) == {CheckResult.OK}
        assert world.target.calls["close"] == closed + 1, "it is served now"


@on_virtual_time
async def test_an_engine_that_moves_is_proved_and_served_over_one_connection(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (world, proving):
        moved = {**ENGINES, "main": {**ENGINES["main"], "connection": {"host": "two"}}}
        plan = await proving.apply(READER, engines=moved)
        assert results(plan) == {"role:main/reader": CheckResult.OK}
        assert world.targets["two"].revoked
        assert world.targets["two"].calls["open"] == 1
        assert not world.targets["two"].calls["close"]


@on_virtual_time
async def test_an_administrator_that_is_refused_fails_every_role(tmp_path: Path) -> None:
    async with serving(tmp_path) as (world, proving):
        world.target.fail("open", Fault.REFUSED)
        with pytest.raises(Unsafe, match=r"role:main/a: not allowed.*role:main/b: not allowed"):
            await proving.apply({**READER, "main/a": {"digits": "1"}, "main/b": {"digits": "2"}})
        assert not world.target.calls["issue"]


@on_virtual_time
async def test_what_failed_may_be_allowed_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, proving):
        plan = await proving.apply(
            {**READER, "main/fresh": {"group": "nobody"}}, "rehearsal-failed"
        )
        assert [unsafe.code for unsafe in plan.unsafe] == ["rehearsal-failed"]
        assert proving.serving.current().number == 2


@on_virtual_time
async def test_a_clock_in_doubt_proves_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as (world, proving):
        world.clock.suspect = True
        with pytest.raises(Unavailable, match="clock"):
            await proving.apply(FRESH)
        assert not world.target.calls["issue"]


class Slow(RehearsingEngine):
    async def rehearse(self, *_: object) -> None:
        await asyncio.sleep(9)


@on_virtual_time
async def test_what_is_proved_in_time_is_remembered_for_the_next_try(tmp_path: Path) -> None:
    many = {**READER, **{f"main/r{n}": {"digits": str(n)} for n in range(30)}}
    world = World(tmp_path, virtual_clock())
    world.engine_class = Slow
    async with world:
        proving = await Proving(world).serve()
        with pytest.raises(Unavailable, match="20 of 30 new or changed roles are proved within 50"):
            await proving.apply(many)
        await nothing_is_left(world)
        plan = await proving.apply(many)
        assert list(results(plan).values()) == [CheckResult.OK] * 30
        assert world.target.calls["issue"] == 30
