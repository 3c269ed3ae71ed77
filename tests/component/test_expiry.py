"""The worker that ends what is due, on time and for ever (P2, Q1 to Q4)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import Fault
from fakes.policy import HOLDER, OPERATOR, a_bundle
from fakes.world import World
from leasehold import failpoints
from leasehold.errors import EnginePermanent, EngineTemporary, ErrorClass
from leasehold.model import Cause, EventType, LeaseState
from leasehold.plugin import Removal, Stage


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[World]:
    """A world whose worker runs."""
    async with World(tmp_path, virtual_clock()) as world:
        worker = asyncio.create_task(world.worker.run())
        yield world
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


@pytest.fixture
def disk_full(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "failpoints.json"
    path.write_text('{"store.commit": {"action": "full"}}')
    path.chmod(0o600)
    yield path
    failpoints.disarm()


@on_virtual_time
async def test_a_lease_ends_at_its_deadline_and_not_before(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        issued = await world.issue(ttl_s=600)
        await asyncio.sleep(599)
        assert list(world.target.accounts) == [issued.lease.account]
        await asyncio.sleep(2.2)
        assert not world.target.accounts
        lease = await world.lease(issued.lease.id)
        assert (lease.state, lease.cause) == (LeaseState.REVOKED, Cause.TTL)
        assert await world.told() == [EventType.ISSUED, EventType.EXPIRING, EventType.EXPIRED]


@on_virtual_time
async def test_a_short_lease_ends_on_time_beside_a_long_one(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.issue(ttl_s=80_000)
        await asyncio.sleep(500)
        brief = await world.issue(ttl_s=2)
        await asyncio.sleep(4.2)
        assert brief.lease.account not in world.target.accounts
        assert len(world.target.accounts) == 1


@on_virtual_time
async def test_more_leases_than_a_batch_that_end_together_are_gone_together(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        for _ in range(11):
            await asyncio.gather(*(world.issue(ttl_s=60) for _ in range(50)))
        assert len(world.target.accounts) == 550
        await asyncio.sleep(62.2)
        assert not world.target.accounts
        assert {lease.state for lease in await world.leases()} == {LeaseState.REVOKED}


@on_virtual_time
async def test_the_holder_is_warned_once_a_period(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        issued = await world.issue(ttl_s=1_000)
        await asyncio.sleep(950)
        assert await world.told() == [EventType.ISSUED, EventType.EXPIRING]
        await world.issuance.renew(HOLDER, issued.lease.id, 1_000)
        await asyncio.sleep(790)
        assert (await world.told())[2:] == [EventType.RENEWED]
        await asyncio.sleep(150)
        assert (await world.told())[2:] == [EventType.RENEWED, EventType.EXPIRING]


@on_virtual_time
async def test_a_target_that_is_away_holds_up_no_other(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        for path in ("database/creds/brief", "cache/creds/user"):
            for _ in range(3):
                await world.issue(path, ttl_s=30)
        world.target.fail("revoke", *[Fault.HANG] * 50)
        await asyncio.sleep(32.2)
        assert len(world.targets["one"].accounts) == 3
        assert not world.targets["two"].accounts


@on_virtual_time
async def test_what_waited_is_drained_oldest_first_when_its_target_is_back(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        issued = [await world.issue(ttl_s=ttl_s) for ttl_s in (50, 10, 40, 20, 30)]
        oldest_first = [issued[n].lease.account for n in (1, 3, 4, 2, 0)]
        world.target.away = True
        await asyncio.sleep(2_000)
        world.target.away = False
        world.target.revoked.clear()
        await asyncio.sleep(12)
        assert world.target.revoked == oldest_first


@on_virtual_time
async def test_a_target_that_is_away_is_asked_now_and_then_and_not_for_each_lease(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as world:
        await asyncio.gather(*(world.issue(ttl_s=10) for _ in range(100)))
        world.target.away = True
        await asyncio.sleep(60)
        world.target.calls.clear()
        await asyncio.sleep(600)
        assert 50 <= world.target.calls.total() <= 65


@on_virtual_time
async def test_an_account_that_outlives_its_lease_is_told_once(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.issue(ttl_s=60)
        world.target.away = True
        await asyncio.sleep(80)
        assert EventType.OVERDUE not in await world.told()
        await asyncio.sleep(15)
        assert (await world.told()).count(EventType.OVERDUE) == 1
        status = await world.inspection.status(OPERATOR)
        assert status.counts.overdue == 1
        await asyncio.sleep(3_000)
        assert (await world.told()).count(EventType.OVERDUE) == 1
        world.target.away = False
        await asyncio.sleep(12)
        assert (await world.told())[-1] is EventType.EXPIRED
        assert (await world.inspection.status(OPERATOR)).counts.overdue == 0


@pytest.mark.parametrize(
    "answer",
    [
        EnginePermanent("must be owner (42501)", error_class=ErrorClass.DENIED),
        Removal(stage=Stage.DISABLED, residue="objects depend on it (2BP01)"),
    ],
    ids=["refused", "owns objects"],
)
@on_virtual_time
async def test_a_lease_that_does_not_end_is_quarantined_and_tried_for_ever(
    tmp_path: Path, answer: Exception | Removal
) -> None:
    async with running(tmp_path) as world:
        stuck = (await world.issue(ttl_s=10)).lease
        world.target.stubborn[stuck.account] = answer
        await asyncio.sleep(1_800)
        lease = await world.lease(stuck.id)
        assert lease.quarantined
        assert lease.attempts > 10
        assert (await world.inspection.status(OPERATOR)).counts.quarantined == 1
        others = [await world.issue(ttl_s=10) for _ in range(3)]
        world.target.calls.clear()
        await asyncio.sleep(3_600)
        assert world.target.calls["revoke"] >= 12 + len(others)
        assert list(world.target.accounts) == [stuck.account]
        world.target.stubborn.clear()
        await asyncio.sleep(301)
        assert not world.target.accounts
        assert (await world.inspection.status(OPERATOR)).counts.quarantined == 0


@on_virtual_time
async def test_leases_that_cannot_go_just_now_keep_no_other_from_going(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        locked = (await world.issue(ttl_s=10)).lease
        world.target.stubborn[locked.account] = EngineTemporary("a lock is held (55P03)")
        await asyncio.sleep(1_000)
        for _ in range(10):
            healthy = await world.issue(ttl_s=5)
            await asyncio.sleep(7.5)
            assert healthy.lease.account not in world.target.accounts


@on_virtual_time
async def test_a_role_and_an_engine_that_left_the_policy_still_revoke(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.issue(ttl_s=60)
        kept = {"other": a_bundle().engines["other"]}
        roles = {place: role for place, role in a_bundle().roles.items() if place[0] == "cache"}
        world.serve(a_bundle(engines=kept, roles=roles))
        await asyncio.sleep(62.2)
        assert not world.target.accounts
        assert await world.store.live_recipes() == []


@on_virtual_time
async def test_a_policy_that_points_an_engine_nowhere_strands_no_lease(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        for ttl_s in (60, 120):
            await world.issue(ttl_s=ttl_s)
        world.targets["two"].away = True
        engines = {**a_bundle().engines}
        engines["main"] = engines["other"].__class__(
            name="main", type="fake", mount="database", connection={"host": "two"}
        )
        world.serve(a_bundle(engines=engines))
        for _ in range(4):
            await asyncio.gather(world.issue(), return_exceptions=True)
        assert world.engines.current("main").breaker.is_open
        await asyncio.sleep(62.2)
        assert len(world.targets["one"].accounts) == 1
        await asyncio.sleep(60)
        assert not world.targets["one"].accounts


@on_virtual_time
async def test_an_intent_that_a_crash_left_is_revoked_at_the_start(tmp_path: Path) -> None:
    world = World(tmp_path, virtual_clock())
    await world.start()
    task = asyncio.create_task(world.issue())
    world.fate.after(6)  # the account was made, and nobody heard of it
    await world.fate.died.wait()
    await world.crash()
    await asyncio.gather(task, return_exceptions=True)
    assert len(world.target.accounts) == 1
    await world.start()
    [lease] = await world.leases()
    assert (lease.state, lease.cause) == (LeaseState.REVOKING, Cause.CRASH)
    await world.sweep()
    assert not world.target.accounts
    await world.settle()
    await world.stop()


@on_virtual_time
async def test_what_was_put_off_is_tried_at_once_by_a_new_daemon(tmp_path: Path) -> None:
    world = World(tmp_path, virtual_clock())
    await world.start()
    await world.issue(ttl_s=10)
    world.target.away = True
    for _ in range(100):
        await asyncio.sleep(1)
        await world.sweep()
    await world.crash()
    world.target.away = False
    await world.start()
    assert (await world.leases())[0].next_ms > world.clock.now_ms() + 60_000
    await world.sweep()
    assert not world.target.accounts
    await world.stop()


@on_virtual_time
async def test_on_a_full_disk_accounts_still_end_and_the_ledger_follows(
    tmp_path: Path, disk_full: Path
) -> None:
    """Whatever else is due, a warning or a revocation, must not keep an account alive."""
    async with running(tmp_path) as world:
        ending = [await world.issue(ttl_s=60) for _ in range(3)]
        warned = await world.issue(ttl_s=76)
        given_up = await world.issue()
        world.target.stubborn[given_up.lease.account] = EngineTemporary("a lock is held (55P03)")
        await world.issuance.revoke(HOLDER, given_up.lease.id)
        failpoints.arm(disk_full)
        await asyncio.sleep(62.5)
        for issued in ending:
            assert issued.lease.account not in world.target.accounts
        failpoints.disarm()
        await asyncio.sleep(2)
        assert [(await world.lease(it.lease.id)).state for it in ending] == ["revoked"] * 3
        assert (await world.lease(warned.lease.id)).warned
        await world.audited()


@on_virtual_time
async def test_an_idle_worker_asks_for_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        issued = await world.issue(ttl_s=5)
        await asyncio.sleep(10)
        assert (await world.lease(issued.lease.id)).state is LeaseState.REVOKED
        world.target.calls.clear()
        await asyncio.sleep(100_000)
        assert world.target.calls.total() == 0
        later = await world.issue(ttl_s=5)
        await asyncio.sleep(7.5)
        assert (await world.lease(later.lease.id)).state is LeaseState.REVOKED
