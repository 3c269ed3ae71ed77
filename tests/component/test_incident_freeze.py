"""What an incident freezes and for whom, who may open one; nothing slips in behind it."""

import asyncio
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time
from fakes.emergency import Emergency, emergency, live
from fakes.engine import Fault
from fakes.policy import HOLDER, NOBODY_KNOWN, STRANGER
from leasehold.errors import (
    Conflict,
    Denied,
    EngineTemporary,
    Frozen,
    Invalid,
    NotFound,
)
from leasehold.model import LeaseState

READER, BRIEF, USER = "database/creds/reader", "database/creds/brief", "cache/creds/user"
ROUTES = ("preview", "open", "incidents", "incident", "revoke", "close")


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        ("tenant=holder", {("holder", READER), ("holder", BRIEF), ("holder", USER)}),
        ("owner=team-stranger", {("stranger", READER)}),
        ("identity=holder,engine=main", {("holder", READER), ("holder", BRIEF)}),
        ("engine=other", {("holder", USER)}),
        ("role=reader", {("holder", READER), ("stranger", READER)}),
        ("role=database/creds/reader,tenant=stranger", {("stranger", READER)}),
    ],
)
@on_virtual_time
async def test_what_matches_is_frozen_and_ends_and_nothing_else_is_touched(
    tmp_path: Path, match: str, hit: set[tuple[str, str]]
) -> None:
    async with emergency(tmp_path) as (world, team):
        asked = [(HOLDER, READER), (HOLDER, BRIEF), (HOLDER, USER), (STRANGER, READER)]
        issued = [(caller, await world.issue(path, caller=caller)) for caller, path in asked]
        preview = await team.ask("preview", match=match)
        assert {(each["identity"], each["path"]) for each in preview["holders"]} == hit
        assert await live(world) == sorted(
            (it.lease.identity, it.lease.path) for _, it in issued
        ), "a preview changes nothing"
        incident = await team.open(match)
        assert incident["preview"]["leases"] == preview["leases"] == len(hit)
        for caller, each in issued:
            lease = each.lease
            if (lease.identity, lease.path) in hit:
                with pytest.raises(Frozen, match=incident["id"]) as told:
                    await world.issue(lease.path, caller=caller)
                assert "T-123" not in str(told.value)
                with pytest.raises(Frozen):
                    await world.issuance.renew(caller, lease.id, 30)
            else:
                await world.issuance.renew(caller, lease.id, 30)
        await team.ask("revoke", incident["id"])
        await team.step()
        assert not hit & set(await live(world))
        assert len(await live(world)) == len(issued) - len(hit)
        report = (await team.ask("incident", incident["id"]))["report"]
        assert (report["total"], report["revoked"]) == (len(hit), len(hit))
        await world.assert_accounts_agree()


@on_virtual_time
async def test_one_account_is_ended_alone(tmp_path: Path) -> None:
    async with emergency(tmp_path) as (world, team):
        first, second = await world.issue(), await world.issue()
        await team.open(f"account={first.lease.account}", revoke=True)
        await team.step()
        assert (await world.lease(first.lease.id)).state is LeaseState.REVOKED
        await world.issuance.renew(HOLDER, second.lease.id, 30)
        await world.issue()


@on_virtual_time
async def test_a_freeze_outlives_the_daemon_and_ends_when_it_is_closed(tmp_path: Path) -> None:
    async with emergency(tmp_path) as (world, team):
        issued = await world.issue()
        incident = await team.open("identity=holder")
        await world.crash()
        await world.start()
        team = Emergency(world)
        await team.response.load()
        with pytest.raises(Frozen):
            await world.issue()
        with pytest.raises(Frozen):
            await world.issuance.renew(HOLDER, issued.lease.id, 30)
        closed = await team.ask("close", incident["id"])
        assert (closed["state"], closed["closed_by"]) == ("closed", "operator")
        await world.issuance.renew(HOLDER, issued.lease.id, 30)
        await world.crash()
        await world.start()
        await Emergency(world).response.load()
        await world.issue()


@on_virtual_time
async def test_nothing_slips_in_at_whatever_step_of_an_issue_an_incident_is_opened(
    tmp_path: Path,
) -> None:
    for steps in range(12):
        folder = tmp_path / str(steps)
        folder.mkdir()
        async with emergency(folder) as (world, team):
            opening: list[asyncio.Task[dict[str, object]]] = []

            def begin(
                team: Emergency = team, opening: list[asyncio.Task[dict[str, object]]] = opening
            ) -> None:
                work = team.open("tenant=holder", revoke=True)
                opening.append(asyncio.create_task(work))

            world.fate.after(steps, begin)
            await asyncio.gather(world.issue(), return_exceptions=True)
            world.fate.after(None)
            for task in opening or [asyncio.create_task(team.open("tenant=holder", revoke=True))]:
                await task
            for _ in range(3):
                await team.step()
                await asyncio.sleep(60)
            assert await live(world) == []
            assert not world.target.accounts


@on_virtual_time
async def test_a_renewal_that_waits_for_its_turn_is_frozen_too(tmp_path: Path) -> None:
    async with emergency(tmp_path) as (world, team):
        issued = await world.issue()
        async with world.remover.claims.of(issued.lease.id):
            waiting = asyncio.create_task(world.issuance.renew(HOLDER, issued.lease.id, 600))
            await asyncio.sleep(1)
            await team.open("identity=holder")
        with pytest.raises(Frozen):
            await waiting
        assert (await world.lease(issued.lease.id)).expires_ms == issued.lease.expires_ms


@pytest.mark.parametrize("name", ROUTES)
@on_virtual_time
async def test_incidents_are_for_operators_only(tmp_path: Path, name: str) -> None:
    async with emergency(tmp_path) as (world, team):
        await world.issue()
        incident = await team.open("tenant=stranger")
        for caller in (HOLDER, NOBODY_KNOWN):
            with pytest.raises(Denied):
                await team.ask(
                    name, incident["id"], caller=caller, match="tenant=holder", reason="x"
                )
        assert len((await team.ask("incidents"))["incidents"]) == 1


@pytest.mark.parametrize(
    ("match", "text"),
    [
        ("", "nothing is given, which would be everything"),
        ("tenant", "found 'tenant'; allowed are tenant=…, owner=…"),
        ("host=web3", "found 'host=web3'"),
        ("tenant=holder,tenant=stranger", "tenant is given twice"),
        ("tenant=holdr", "no live lease has tenant=holdr, nor has anything in the policy"),
        ("role=database/creds/nothing", "no live lease has role=database/creds/nothing"),
    ],
)
@on_virtual_time
async def test_a_match_that_means_nothing_is_refused(tmp_path: Path, match: str, text: str) -> None:
    async with emergency(tmp_path) as (_, team):
        with pytest.raises(Invalid, match=text):
            await team.open(match)
        with pytest.raises(Invalid, match="reason: found nothing"):
            await team.ask("open", match="tenant=holder", reason=" ")
        assert (await team.ask("incidents"))["incidents"] == []


@on_virtual_time
async def test_what_is_over_or_unknown_is_told_as_that(tmp_path: Path) -> None:
    async with emergency(tmp_path) as (_, team):
        with pytest.raises(NotFound):
            await team.ask("revoke", "00000000")
        incident = await team.open("tenant=holder")
        await team.ask("close", incident["id"])
        with pytest.raises(Conflict, match="is closed; open another one"):
            await team.ask("revoke", incident["id"])


@on_virtual_time
async def test_an_issue_that_hangs_is_hit_when_it_is_done(tmp_path: Path) -> None:
    async with emergency(tmp_path) as (world, team):
        world.target.fail("issue", Fault.HANG_AFTER)
        hanging = asyncio.create_task(world.issue())
        await asyncio.sleep(1)
        incident = await team.open("tenant=holder", revoke=True)
        await team.step()
        assert (await team.ask("incident", incident["id"]))["report"]["untold"] == 1
        with pytest.raises(EngineTemporary):
            await hanging
        await asyncio.sleep(60)
        await team.step()
        assert (await team.ask("incident", incident["id"]))["state"] == "revoked"
        await world.assert_accounts_agree()
