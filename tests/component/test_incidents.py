"""The end of an incident's leases: in which order, whatever dies meanwhile, what is kept of it."""

import asyncio
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time
from fakes.emergency import Emergency, emergency, live
from fakes.engine import FakeEngine
from fakes.policy import OPERATOR
from fakes.world import World
from leasehold.errors import (
    Conflict,
    EngineTemporary,
    Frozen,
)
from leasehold.model import Cause, EventType
from leasehold.plugin import Revocability

READER, BRIEF, USER = "database/creds/reader", "database/creds/brief", "cache/creds/user"
ROUTES = ("preview", "open", "incidents", "incident", "revoke", "close")


class Lasting(World):
    """A world of engines where revoking ends nothing."""

    engine_class = type("Lasting", (FakeEngine,), {"revocability": Revocability.EXPIRY_ONLY})


@on_virtual_time
async def test_of_an_engine_the_longest_lives_end_first(tmp_path: Path) -> None:
    async with emergency(tmp_path) as (world, team):
        spans = (600, 3_600, 60, 80_000, 1_200)
        accounts = {(await world.issue(ttl_s=span)).lease.account: span for span in spans}
        await team.open("tenant=holder", revoke=True)
        await team.response.respond()
        due = await world.store.due("main", world.clock.now_ms(), 10)
        assert [accounts[lease.account] for lease in due] == sorted(spans, reverse=True)


@on_virtual_time
async def test_an_incident_ends_all_at_whatever_step_the_daemon_dies(tmp_path: Path) -> None:
    for steps in range(0, 40, 2):
        folder = tmp_path / str(steps)
        folder.mkdir()
        async with emergency(folder) as (world, team):
            for path in (READER, BRIEF, USER):
                await world.issue(path)
            incident = await team.open("tenant=holder", revoke=True)
            world.fate.after(steps)
            work = asyncio.create_task(team.step())
            died = asyncio.create_task(world.fate.died.wait())
            await asyncio.wait({work, died}, return_when=asyncio.FIRST_COMPLETED)
            for task in (work, died):
                task.cancel()
            await asyncio.gather(work, died, return_exceptions=True)
            await world.crash()
            await world.start()
            again = Emergency(world)
            await again.response.load()
            await again.step()
            found = await again.ask("incident", incident["id"])
            assert (found["state"], found["report"]["revoked"]) == ("revoked", 3)
            assert await live(world) == []
            await world.assert_accounts_agree()
            told = [kind for kind in await world.told() if kind.startswith("incident")]
            assert told == [EventType.INCIDENT_OPENED, EventType.INCIDENT_REVOKED]


@on_virtual_time
async def test_what_cannot_be_ended_is_reported_with_the_reason_and_goes_on_after_the_close(
    tmp_path: Path,
) -> None:
    async with emergency(tmp_path) as (world, team):
        await world.issue(USER)
        stuck = await world.issue()
        world.target.away = True
        incident = await team.open("tenant=holder", revoke=True)
        with pytest.raises(Conflict, match="2 leases were not told to end yet"):
            await team.ask("close", incident["id"])
        await team.step()
        found = await team.ask("incident", incident["id"])
        report = found["report"]
        assert found["state"] == "revoking"
        assert (report["total"], report["revoked"], report["failing"]) == (2, 1, 1)
        [failed] = report["failed"]
        assert failed["account"] == stuck.lease.account
        assert "the target" in failed["why"]
        assert failed["until"].startswith(str(world.clock.wall(stuck.lease.expires_ms).date()))
        await team.ask("close", incident["id"])
        await asyncio.sleep(0.001)
        with pytest.raises(EngineTemporary):
            await world.issue()
        world.target.away = False
        for _ in range(3):
            await asyncio.sleep(600)
            await team.step()
        found = await team.ask("incident", incident["id"])
        assert (found["state"], found["report"]["revoked"]) == ("closed", 2)
        assert found["report"]["failed"] == []


@on_virtual_time
async def test_the_report_has_how_long_it_took_and_is_kept(tmp_path: Path) -> None:
    async with emergency(tmp_path) as (world, team):
        for _ in range(4):
            await world.issue()
        incident = await team.open("tenant=holder", revoke=True)
        await team.response.respond()
        await asyncio.sleep(2)
        await team.step()
        found = await team.ask("incident", incident["id"])
        assert found["report"]["seconds"]["p50"] == pytest.approx(2, abs=0.1)
        assert found["report"]["seconds"]["all"] >= found["report"]["seconds"]["p99"] >= 2
        await asyncio.sleep(600)
        assert (await team.ask("incident", incident["id"])) == found


@on_virtual_time
async def test_credentials_that_no_revocation_kills_are_said_to_live_and_until_when(
    tmp_path: Path,
) -> None:
    async with emergency(tmp_path, Lasting) as (world, team):
        issued = await world.issue(ttl_s=3_600)
        until = world.clock.wall(issued.lease.expires_ms).isoformat(timespec="milliseconds")
        incident = await team.open("tenant=holder", revoke=True)
        [engine] = incident["preview"]["engines"]
        assert engine["cannot_be_revoked"]
        assert engine["until"] == until.replace("+00:00", "Z")
        await team.step()
        report = (await team.ask("incident", incident["id"]))["report"]
        assert (report["total"], report["revoked"], report["alive"]) == (1, 1, 1)
        assert report["engines"][0]["alive_until"] == engine["until"]


@on_virtual_time
async def test_every_step_is_audited_with_its_operator_and_told_to_subscribers(
    tmp_path: Path,
) -> None:
    async with emergency(tmp_path) as (world, team):
        issued = await world.issue()
        incident = await team.open("tenant=holder")
        with pytest.raises(Frozen):
            await world.issue()
        await team.ask("revoke", incident["id"])
        await team.step()
        await team.ask("revoke", incident["id"])
        await team.ask("close", incident["id"])
        await team.ask("close", incident["id"])
        audited = await world.audited()
        lines = [each for each in audited[""] if each["event"].startswith("incident")]
        kinds = ["incident-opened", "incident-revoking", "incident-revoked", "incident-closed"]
        assert [line["event"] for line in lines] == kinds
        assert {line["caller"]["uid"] for line in lines} == {OPERATOR.uid}
        assert {line["detail"]["by"] for line in lines} == {"operator"}
        assert lines[0]["detail"]["reason"] == "T-123"
        [refused] = [each for each in audited[""] if each["event"] == "no-effect"]
        assert incident["id"] in refused["detail"]["why"]
        begun = [each for each in audited[issued.lease.id] if each["event"] == "revoking"]
        assert [each["detail"]["order"] for each in begun] == [incident["id"]]
        assert (await world.lease(issued.lease.id)).cause is Cause.OPERATOR


@on_virtual_time
async def test_a_damaged_row_does_not_keep_an_incident_open(tmp_path: Path) -> None:
    async with emergency(tmp_path) as (world, team):
        await world.issue()
        damaged = (await world.issue()).lease
        world._store._db.execute("UPDATE lease SET owner = 'x' WHERE id = ?", (damaged.id,))
        incident = await team.open("tenant=holder", revoke=True)
        await team.step()
        found = await team.ask("incident", incident["id"])
        assert (found["state"], found["report"]["revoked"]) == ("revoked", 1)
