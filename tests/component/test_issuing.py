"""Issuing: intent first, proven or revoked, delivered or revoked (W1, W6, W7, W8)."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import FakeEngine, Fault
from fakes.policy import (
    GRANTS,
    HOLDER,
    OPERATOR,
    a_bundle,
    roles_with,
)
from fakes.world import World
from leasehold.bundle import Grant
from leasehold.engines.guard import MARGIN_S
from leasehold.errors import (
    EnginePermanent,
    EngineTemporary,
    Invalid,
    LimitReached,
    Unavailable,
)
from leasehold.model import Cause, EventType, LeaseState
from leasehold.secret import Secret

UNCLEAR = [Fault.AFTER, Fault.HANG, Fault.HANG_AFTER, Fault.LATE, Fault.DEFECT, Fault.NONSENSE]
SETTLE_MS = 20_000
"""Twice the fake's statement timeout."""


@on_virtual_time
async def test_a_caller_gets_a_credential_for_an_account_that_stands(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        issued = await world.issue(ttl_s=600)
        lease, fields = issued.lease, issued.credential.fields
        assert fields["username"] == lease.account
        assert isinstance(fields["password"], Secret)
        assert await world.lease(lease.id) == lease
        assert lease.state is LeaseState.ACTIVE
        assert lease.expires_ms - lease.issued_ms == issued.ttl_s * 1000 == 600_000
        assert (lease.identity, lease.owner, lease.tenant) == ("holder", "team-holder", "holder")
        assert lease.target == "id-of-one"
        deadline = world.clock.wall(lease.expires_ms)
        assert world.target.accounts == {lease.account: deadline + timedelta(seconds=60)}
        assert await world.told() == [EventType.ISSUED]


@on_virtual_time
async def test_the_intent_is_durable_before_the_target_hears_of_it(tmp_path: Path) -> None:
    seen = []

    class Looking(FakeEngine):
        async def issue(self, request):
            seen.extend(await world.leases())
            return await super().issue(request)

    world = World(tmp_path, virtual_clock())
    world.engine_class = Looking
    async with world:
        issued = await world.issue()
        [intent] = seen
        assert intent.id == issued.lease.id
        assert intent.account == issued.lease.account
        assert intent.state is LeaseState.PENDING
        [first, *_] = (await world.audited())[intent.id]
        assert first["event"] == "intended"
        assert first["detail"] == {
            "path": "database/creds/reader",
            "verb": "issue",
            "identities": "holder",
            "rule": "policy.yaml:1",
            "generation": str(world.generation.number),
            "digest": "d" * 64,
        }


@pytest.mark.parametrize("fault", UNCLEAR)
@on_virtual_time
async def test_a_create_that_may_have_happened_gets_a_second_look(
    tmp_path: Path, fault: Fault
) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        world.target.fail("issue", fault)
        with pytest.raises(EngineTemporary):
            await world.issue()
        [lease] = await world.leases()
        assert lease.state is LeaseState.DISABLED
        assert lease.next_ms == world.clock.now_ms() + SETTLE_MS
        assert not world.target.accounts
        await asyncio.sleep(SETTLE_MS / 1000 - 1)
        await world.sweep()
        assert (await world.lease(lease.id)).state is LeaseState.DISABLED
        assert bool(world.target.accounts) == (fault is Fault.LATE), "it arrived after all"
        await asyncio.sleep(1)
        await world.sweep()
        assert (await world.lease(lease.id)).state is LeaseState.REVOKED
        assert not world.target.accounts
        assert await world.told() == [EventType.REVOKED]


@pytest.mark.parametrize("ask", ["revoke", "restart"])
@on_virtual_time
async def test_nothing_brings_the_second_look_forward(tmp_path: Path, ask: str) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        world.target.fail("issue", Fault.LATE)
        with pytest.raises(EngineTemporary):
            await world.issue()
        [lease] = await world.leases()
        for _ in range(3):
            await asyncio.sleep(1)
            if ask == "revoke":
                assert await world.issuance.revoke(OPERATOR, lease.id), "access has ended"
            else:
                await world.crash()
                await world.start()
                await world.sweep()
        assert (await world.lease(lease.id)).state is LeaseState.DISABLED
        await asyncio.sleep(SETTLE_MS / 1000)
        assert world.target.accounts, "the late create has arrived"
        await world.sweep()
        assert not world.target.accounts
        assert (await world.lease(lease.id)).state is LeaseState.REVOKED


@on_virtual_time
async def test_a_refusal_leaves_nothing_behind_at_once(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        world.target.fail("issue", Fault.REFUSED)
        with pytest.raises(EnginePermanent, match="42501"):
            await world.issue()
        [lease] = await world.leases()
        assert lease.state is LeaseState.REVOKED
        assert lease.cause is Cause.ISSUE_FAILED
        told = [line["event"] for line in (await world.audited())[lease.id]]
        assert told == ["intended", "issue-failed", "revoked"]


@pytest.mark.parametrize("after", range(10))
@on_virtual_time
async def test_a_caller_who_hangs_up_gets_nothing_and_leaves_nothing(
    tmp_path: Path, after: int
) -> None:
    """At whichever of its steps: before the intent, at the target, after the lease is active."""
    async with World(tmp_path, virtual_clock()) as world:
        task = asyncio.create_task(world.issue())
        world.fate.after(after, task.cancel)
        delivered = await asyncio.gather(task, return_exceptions=True)
        world.fate.after(None)
        await world.settle()
        if isinstance(delivered[0], asyncio.CancelledError):
            assert not world.target.accounts
            assert all(lease.cause is Cause.UNDELIVERED for lease in await world.leases())
        else:
            assert after >= 8, "it was all over"
            assert list(world.target.accounts) == [delivered[0].lease.account]


@on_virtual_time
async def test_a_credential_that_could_not_be_delivered_is_revoked(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        issued = await world.issue()
        await world.issuance.undelivered(HOLDER, issued)
        lease = await world.lease(issued.lease.id)
        assert (lease.state, lease.cause) == (LeaseState.REVOKED, Cause.UNDELIVERED)
        assert not world.target.accounts


@on_virtual_time
async def test_while_its_target_is_away_nothing_is_left_behind_by_asking(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        await world.issue()
        world.target.away = True
        for _ in range(3):
            with pytest.raises(EngineTemporary):
                await world.issue()
        before = len(await world.leases())
        for _ in range(50):
            with pytest.raises(EngineTemporary, match="main is away"):
                await world.issue()
        assert len(await world.leases()) == before


@on_virtual_time
async def test_when_the_target_is_back_many_ask_and_one_tries_it(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        await world.issue()
        world.target.away = True
        for _ in range(3):
            await asyncio.gather(world.issue(), return_exceptions=True)
        before = len(await world.leases())
        await asyncio.sleep(11)
        await asyncio.gather(*(world.issue() for _ in range(20)), return_exceptions=True)
        assert len(await world.leases()) == before
        world.target.away = False
        await asyncio.sleep(11)
        results = await asyncio.gather(*(world.issue() for _ in range(20)), return_exceptions=True)
        assert sum(not isinstance(result, Exception) for result in results) >= 1


@on_virtual_time
async def test_a_ttl_is_capped_with_a_warning_by_role_and_by_rule(tmp_path: Path) -> None:
    mine = Grant(
        identities=("holder",),
        paths=("database/creds/reader",),
        verbs=frozenset({"issue", "renew"}),
        max_ttl_s=1_800,
    )
    bundle = a_bundle(grants=(mine, *GRANTS[1:]))
    async with World(tmp_path, virtual_clock(), bundle) as world:
        issued = await world.issue(ttl_s=7_200)
        assert issued.ttl_s == 1_800
        assert "capped at 1800s" in issued.warnings[0]
        assert issued.lease.max_expires_ms == issued.lease.expires_ms
        assert (await world.issue()).ttl_s == 1_800, "the default is capped, too"
        with pytest.raises(Invalid, match="negative"):
            await world.issue(ttl_s=-1)


@on_virtual_time
async def test_limits_hold_for_the_role_and_for_the_mount(tmp_path: Path) -> None:
    bundle = a_bundle(roles=roles_with("reader", max_leases=2), mount_limits={"database": 3})
    async with World(tmp_path, virtual_clock(), bundle) as world:
        results = await asyncio.gather(*(world.issue() for _ in range(10)), return_exceptions=True)
        refused = [result for result in results if isinstance(result, LimitReached)]
        assert len(refused) == 8
        assert len(world.target.accounts) == 2
        await world.issue("database/creds/brief")
        with pytest.raises(LimitReached, match="mount database"):
            await world.issue("database/creds/brief")
        await world.issue("cache/creds/user")
        assert len(await world.leases()) == 4, "a refusal writes nothing"


@on_virtual_time
async def test_a_clock_in_doubt_stops_issuing_and_nothing_else(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        kept, given_up = await world.issue(), await world.issue()
        world.clock.suspect = True
        with pytest.raises(Unavailable, match="wall clock stepped"):
            await world.issue()
        assert len(await world.leases()) == 2
        await world.issuance.renew(HOLDER, kept.lease.id, 60)
        assert await world.issuance.revoke(HOLDER, given_up.lease.id)
        await asyncio.sleep(61)
        await world.sweep()
        assert not world.target.accounts


@on_virtual_time
async def test_a_slow_create_of_a_brief_lease_does_not_outlive_it(tmp_path: Path) -> None:
    class Slow(FakeEngine):
        async def issue(self, request):
            await asyncio.sleep(10 + MARGIN_S - 1)
            return await super().issue(request)

    world = World(tmp_path, virtual_clock())
    world.engine_class = Slow
    async with world:
        await world.issue(ttl_s=5)
        await world.sweep()
        assert not world.target.accounts
