"""Accounts made ahead: handed out without the target, each under a lease from its birth."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import Fault
from fakes.policy import HOLDER, ROLES, STRANGER, a_bundle
from fakes.warming import a_policy, unused, warmed, warming_of
from fakes.world import World
from leasehold.bundle import Bundle
from leasehold.errors import EngineTemporary, Frozen, QuotaReached
from leasehold.handing import Ready
from leasehold.leases.matching import Match
from leasehold.model import Cause, EventType
from leasehold.quota import Kind, Quota, Quotas
from leasehold.secret import Secret
from leasehold.warm import IDENTITY

PATH = "database/creds/reader"


@on_virtual_time
async def test_who_asks_gets_an_account_that_stood_before(tmp_path: Path) -> None:
    async with warmed(tmp_path) as (world, warming):
        standing = {lease.account: lease for lease in await unused(world)}
        assert len(standing) == 2
        await asyncio.sleep(100)
        calls = world.target.calls.copy()
        issued = await world.issue(ttl_s=1_800)
        assert world.target.calls == calls, "the target was not touched"
        lease = issued.lease
        assert lease.id == standing[lease.account].id
        assert (lease.identity, lease.owner, lease.tenant) == ("holder", "team-holder", "holder")
        assert lease.expires_ms - world.clock.now_ms() == issued.ttl_s * 1000 == 1_800_000
        assert lease.max_expires_ms - world.clock.now_ms() == 86_400_000
        assert await world.lease(lease.id) == lease
        password = issued.credential.fields["password"]
        assert isinstance(password, Secret)
        assert world.target.passwords[lease.account] == password.reveal()
        assert await world.told(lease.id) == [EventType.ISSUED]
        assert len(await unused(world)) == 1
        await warming.round()
        assert len(await unused(world)) == 2, "the shelf is filled again"


@on_virtual_time
async def test_nobody_gets_what_somebody_has(tmp_path: Path) -> None:
    async with warmed(tmp_path) as (world, _):
        given = await asyncio.gather(*(world.issue() for _ in range(5)))
        assert len({each.lease.id for each in given}) == 5
        assert len({str(each.credential.fields["username"]) for each in given}) == 5
        await world.assert_accounts_agree()


@on_virtual_time
async def test_the_audit_says_who_was_given_it_and_why(tmp_path: Path) -> None:
    async with warmed(tmp_path) as (world, _):
        issued = await world.issue()
        lines = (await world.audited())[issued.lease.id]
        assert [line["event"] for line in lines] == ["intended", "warmed", "intended", "issued"]
        assert lines[0]["identity"] == IDENTITY
        assert lines[2]["identity"] == "holder"
        assert lines[2]["detail"]["rule"] == "policy.yaml:1"
        assert lines[3]["detail"]["outcome"] == "warm"


@on_virtual_time
async def test_a_life_past_the_targets_own_end_moves_that(tmp_path: Path) -> None:
    async with warmed(tmp_path) as (world, _):
        issued = await world.issue(ttl_s=20_000)
        end = world.clock.wall(issued.lease.expires_ms) + timedelta(seconds=60)
        assert world.target.accounts[issued.lease.account] == end
        assert world.target.calls["renew"] == 1


@on_virtual_time
async def test_an_unused_account_ends_by_itself_and_another_is_made(tmp_path: Path) -> None:
    async with warmed(tmp_path) as (world, warming):
        first = {lease.id for lease in await unused(world)}
        await asyncio.sleep(450)
        await warming.round()
        second = {lease.id for lease in await unused(world)}
        assert not first & second, "replaced before their end, and before anybody is warned"
        assert len(second) == 2
        await asyncio.sleep(601)
        await world.sweep()
        assert not await unused(world)
        causes = {lease.id: lease.cause for lease in await world.leases()}
        assert {causes[each] for each in first} == {Cause.UNUSED}
        assert {causes[each] for each in second} == {Cause.TTL}
        assert not world.target.accounts
        assert EventType.EXPIRING not in await world.told()


@on_virtual_time
async def test_a_restart_forgets_and_therefore_revokes(tmp_path: Path) -> None:
    async with warmed(tmp_path) as (world, _):
        kept = await world.issue()
        await world.crash()
        await world.start()
        warming = warming_of(world)
        assert await warming.forget_what_was_forgotten()
        await world.settle()
        assert set(world.target.accounts) == {kept.lease.account}
        [lost] = [lease for lease in await world.leases() if lease.identity == IDENTITY]
        assert lost.cause is Cause.UNUSED


@pytest.mark.parametrize("step", range(6))
@on_virtual_time
async def test_a_crash_in_a_hand_over_leaves_no_account_without_a_lease(
    tmp_path: Path, step: int
) -> None:
    async with warmed(tmp_path) as (world, _):
        world.fate.after(step)
        asking = asyncio.create_task(world.issue(ttl_s=20_000))
        await asyncio.wait([asking], timeout=60)
        assert world.fate.dead
        asking.cancel()
        await world.crash()
        await world.start()
        await warming_of(world).forget_what_was_forgotten()
        await world.settle()
        assert not await unused(world)
        await world.assert_accounts_agree()


@pytest.mark.parametrize(
    "changed",
    [
        a_policy(role={"options": {"as": "another"}}),
        a_policy(role={"max_ttl_s": 7_200}),
        a_policy(None),
        a_bundle(roles={place: role for place, role in ROLES.items() if role.name != "reader"}),
    ],
    ids=["recipe", "life", "no pool", "no role"],
)
@on_virtual_time
async def test_a_changed_role_clears_its_shelf(tmp_path: Path, changed: Bundle) -> None:
    async with warmed(tmp_path) as (world, warming):
        before = {lease.id for lease in await unused(world)}
        world.serve(changed)
        await warming.round()
        assert not before & {lease.id for lease in await unused(world)}
        await world.settle()
        await world.assert_accounts_agree()


@on_virtual_time
async def test_what_a_changed_role_left_is_given_to_nobody(tmp_path: Path) -> None:
    async with warmed(tmp_path) as (world, _):
        before = {lease.id for lease in await unused(world)}
        world.serve(a_policy(role={"options": {"as": "another"}}))
        assert (await world.issue()).lease.id not in before


@on_virtual_time
async def test_an_incident_clears_the_shelf_and_nothing_is_put_there(tmp_path: Path) -> None:
    async with warmed(tmp_path) as (world, warming):
        world.freeze.stand("i-1", Match({"role": PATH}))
        with pytest.raises(Frozen):
            await world.issue()
        await warming.round()
        assert not await unused(world)
        await world.settle()
        assert not world.target.accounts
        world.freeze.lift("i-1")
        await warming.round()
        assert len(await unused(world)) == 2


@on_virtual_time
async def test_an_incident_of_the_caller_leaves_the_account_for_others(tmp_path: Path) -> None:
    async with warmed(tmp_path) as (world, _):
        world.freeze.stand("i-1", Match({"identity": "holder"}))
        before = {lease.id for lease in await unused(world)}
        with pytest.raises(Frozen):
            await world.issue()
        world.freeze.lift("i-1")
        assert (await world.issue(caller=STRANGER)).lease.id in before


@on_virtual_time
async def test_a_quota_of_the_caller_holds_and_leaves_the_account(tmp_path: Path) -> None:
    quotas = Quotas(named={(Kind.IDENTITY, "holder"): Quota(max_leases=1)})
    async with warmed(tmp_path, quotas=quotas) as (world, _):
        await world.issue()
        with pytest.raises(QuotaReached, match="identity holder has 1 live leases of 1"):
            await world.issue()
        assert len(await unused(world)) == 1
        assert await world.issue(caller=STRANGER)


@on_virtual_time
async def test_waiting_accounts_count_for_the_role_and_never_keep_a_caller_out(
    tmp_path: Path,
) -> None:
    async with warmed(tmp_path, role={"max_leases": 2}) as (world, warming):
        assert len(await unused(world)) == 2
        await world.issue()
        await world.issue()
        await warming.round()
        assert not await unused(world), "the role is full"
        with pytest.raises(QuotaReached):
            await world.issue()


@on_virtual_time
async def test_a_target_that_is_away_is_left_alone_for_a_while(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock(), a_policy()) as world:
        warming = warming_of(world)
        world.target.fail("issue", Fault.BEFORE)
        await warming.round()
        tried = world.target.calls["issue"]
        await warming.round()
        assert world.target.calls["issue"] == tried == 1
        await asyncio.sleep(3)
        await warming.round()
        assert len(await unused(world)) == 2


@on_virtual_time
async def test_a_hand_over_that_the_target_missed_leaves_the_account(tmp_path: Path) -> None:
    async with warmed(tmp_path) as (world, _):
        world.target.fail("renew", Fault.BEFORE)
        with pytest.raises(EngineTemporary):
            await world.issue(ttl_s=20_000)
        assert len(await unused(world)) == 2
        world.target.fail("renew", Fault.REFUSED)
        issued = await world.issue(ttl_s=20_000)
        assert len(await unused(world)) == 0, "the one that was refused has ended"
        await world.settle()
        assert set(world.target.accounts) == {issued.lease.account}


@on_virtual_time
async def test_one_that_was_revoked_by_hand_is_not_handed_over(tmp_path: Path) -> None:
    async with warmed(tmp_path) as (world, _):
        gone, _ = await unused(world)
        await world.ending.end(gone.id, Cause.OPERATOR)
        given = await asyncio.gather(world.issue(), world.issue())
        assert gone.id not in {each.lease.id for each in given}


@on_virtual_time
async def test_others_are_made_in_the_place_of_those_that_were_revoked_by_hand(
    tmp_path: Path,
) -> None:
    async with warmed(tmp_path) as (world, warming):
        for each in await unused(world):
            await world.ending.end(each.id, Cause.OPERATOR)
        await warming.round()
        assert len(await unused(world)) == 2
        assert world.warm.standing() == {("database", "creds", "reader"): 2}


@on_virtual_time
async def test_a_warm_credential_was_seen_to_work_before_anybody_asked(tmp_path: Path) -> None:
    async with warmed(tmp_path, role={"ready": Ready(2, 10)}) as (world, _):
        await asyncio.sleep(60)
        asked_ms, logins = world.clock.now_ms(), world.target.calls["login"]
        issued = await world.issue()
        assert issued.ready_ms is not None
        assert issued.ready_ms < asked_ms
        assert world.target.calls["login"] == logins


@on_virtual_time
async def test_a_reply_that_is_lost_revokes_what_was_handed_over(tmp_path: Path) -> None:
    async with warmed(tmp_path) as (world, _):
        issued = await world.issue()
        await world.issuance.undelivered(HOLDER, issued)
        assert issued.lease.account not in world.target.accounts
