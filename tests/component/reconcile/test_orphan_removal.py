"""Orphans are removed because an operator says so: those that were reported, and no others."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import FakeEngine
from fakes.policy import HOLDER, OPERATOR, a_bundle
from fakes.watch import Watch, by_hand
from fakes.world import World
from leasehold import failpoints
from leasehold.bundle import Safety
from leasehold.errors import EngineTemporary, Invalid, Stale, Unavailable, Unsafe
from leasehold.leases.names import new_lease_id
from leasehold.model import EventType
from leasehold.plugin import Account, EngineError, Removal, Stage
from leasehold.reconcile.account_report import AccountsReport, digest
from leasehold.reconcile.findings import Finding, Kind, Scope, Sighting, What

PATH = "database/creds/reader"
MOST_STEPS = 60
"""More than a removal takes."""


async def report(watch: Watch) -> AccountsReport:
    async with watch.drift.accounts() as seen:
        return seen


async def remove(
    watch: Watch, seen: AccountsReport, *, places: Any = None, allow: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """What became of what `seen` calls removable, or of `places`."""
    outcomes = await watch.removal.remove(
        OPERATOR,
        "operator",
        list(seen.removable) if places is None else places,
        report=seen.digest,
        allow=allow,
    )
    return [(outcome.account, outcome.why) for outcome in outcomes]


def strays(watch: Watch, count: int) -> list[str]:
    return sorted(watch.names.core(new_lease_id(PATH)) for _ in range(count))


@on_virtual_time
async def test_what_was_reported_is_removed_and_told_with_who_said_so(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        live = (await world.issue()).lease.account
        wrong = f"{live[:-1]}{'a' if live[-1] != 'a' else 'b'}"
        orphans = strays(watch, 3)
        by_hand(world, *orphans, wrong, "app_owner")
        seen = await report(watch)
        assert await remove(watch, seen) == [(name, "") for name in orphans]
        assert set(world.target.accounts) == {live, wrong, "app_owner"}
        told = [event for event in await watch.told() if event.detail["account"] in orphans]
        assert [event.type for event in told] == (
            [EventType.ORPHAN_FOUND] * 3 + [EventType.ORPHAN_REMOVED] * 3
        )
        assert {event.caller for event in told[3:]} == {OPERATOR}
        assert await watch.look() == [("wrong-tag", f"engine:main/{wrong}")]
        assert EventType.ORPHAN_CLEARED not in await watch.told_types()
        [asked] = [
            line["detail"]
            for line in (await world.audited())[""]
            if line["event"] == "orphan-removing"
        ]
        assert (asked["accounts"], asked["by"], asked["report"]) == ("3", "operator", seen.digest)


@on_virtual_time
async def test_an_orphan_that_nobody_has_seen_yet_is_left_alone(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        old, new = strays(watch, 2)
        by_hand(world, old)
        seen = await report(watch)
        by_hand(world, new)
        assert await remove(watch, seen) == [(old, "")]
        assert list(world.target.accounts) == [new]


@on_virtual_time
async def test_nothing_but_an_orphan_is_removed_whatever_is_asked(tmp_path: Path) -> None:
    """The digest is no secret: whoever makes one up gets no further than the report goes."""
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        live = (await world.issue()).lease.account
        wrong = f"{live[:-1]}{'a' if live[-1] != 'a' else 'b'}"
        [orphan] = strays(watch, 1)
        by_hand(world, orphan, wrong, "app_owner")
        standing = set(world.target.accounts)
        for name in (live, wrong, "app_owner", "lh_gone"):
            places = [("main", orphan), ("main", name)]
            made_up = digest(
                Finding(
                    scope=Scope(Kind.LEASE, engine, "id-of-one"),
                    sighting=Sighting(What.ORPHAN, "", account=account),
                    first_seen_ms=0,
                    last_seen_ms=0,
                )
                for engine, account in places
            )
            with pytest.raises(Stale, match="1 of the accounts are no orphans"):
                await watch.removal.remove(OPERATOR, "operator", places, report=made_up, allow=())
        assert set(world.target.accounts) == standing
        assert world.target.revoked == []


@on_virtual_time
async def test_part_of_a_report_or_another_report_is_refused(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        by_hand(world, *strays(watch, 2))
        seen = await report(watch)
        with pytest.raises(Stale, match="they are not those"):
            await remove(watch, seen, places=list(seen.removable)[:1])
        with pytest.raises(Invalid, match="accounts: found none"):
            await remove(watch, seen, places=[])
        assert len(world.target.accounts) == 2


@on_virtual_time
async def test_a_report_of_a_server_that_was_replaced_since_removes_nothing(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        by_hand(world, *strays(watch, 2))
        seen = await report(watch)
        world.target.identity = "another"
        with pytest.raises(Stale):
            await remove(watch, seen)
        assert len(world.target.accounts) == 2


@on_virtual_time
async def test_a_target_that_is_away_is_told_as_that(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        by_hand(world, *strays(watch, 2))
        seen = await report(watch)
        world.target.away = True
        with pytest.raises(Unavailable, match="main could not be looked at: the target cannot"):
            await remove(watch, seen)


@on_virtual_time
async def test_more_than_the_safety_limit_needs_its_code(tmp_path: Path) -> None:
    bundle = a_bundle(safety=Safety(max_leases_revoked=2))
    async with World(tmp_path, virtual_clock(), bundle) as world:
        watch = Watch(world)
        by_hand(world, *strays(watch, 3))
        seen = await report(watch)
        with pytest.raises(Unsafe, match="3 accounts removed; allowed are 2; allow it once with"):
            await remove(watch, seen)
        assert len(world.target.accounts) == 3
        await remove(watch, seen, allow=["max-leases-revoked"])
        assert not world.target.accounts


@on_virtual_time
async def test_one_that_cannot_go_is_told_with_its_reason_and_stays_a_finding(
    tmp_path: Path,
) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        gone, locked, owning = strays(watch, 3)
        by_hand(world, gone, locked, owning)
        world.target.stubborn[locked] = EngineTemporary("a lock is held (55P03)")
        world.target.stubborn[owning] = Removal(stage=Stage.DISABLED, residue="owns objects")
        assert await remove(watch, await report(watch)) == [
            (gone, ""),
            (locked, "a lock is held (55P03)"),
            (owning, "owns objects"),
        ]
        assert [about for _, about in await watch.look()] == [
            f"engine:main/{locked}",
            f"engine:main/{owning}",
        ]
        lines = [line for line in (await world.audited())[""] if line["event"] == "orphan-left"]
        assert {(line["detail"]["account"], line["detail"]["why"]) for line in lines} == {
            (locked, "a lock is held (55P03)"),
            (owning, "owns objects"),
        }
        assert {line["caller"]["uid"] for line in lines} == {OPERATOR.uid}


@on_virtual_time
async def test_without_an_audit_nothing_is_removed(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        by_hand(world, *strays(watch, 2))
        seen = await report(watch)
        full = tmp_path / "failpoints.json"
        full.write_text(json.dumps({"store.commit": {"action": "full"}}))
        full.chmod(0o600)
        failpoints.arm(full)
        try:
            with pytest.raises(Unavailable):
                await remove(watch, seen)
        finally:
            failpoints.disarm()
        assert len(world.target.accounts) == 2


@on_virtual_time
async def test_a_removal_that_a_crash_cut_short_is_told_to_its_end(tmp_path: Path) -> None:
    ends = set()
    for step in range(MOST_STEPS):
        world = World(tmp_path / str(step), virtual_clock())
        await world.start()
        watch = Watch(world)
        by_hand(world, *strays(watch, 2))
        seen = await report(watch)
        world.fate.after(step)
        removing = asyncio.create_task(remove(watch, seen))
        died = asyncio.create_task(world.fate.died.wait())
        await asyncio.wait({removing, died}, return_when=asyncio.FIRST_COMPLETED)
        for task in (removing, died):
            task.cancel()
        await asyncio.gather(removing, died, return_exceptions=True)
        await world.crash()
        await world.start()
        watch = Watch(world)
        standing = {about for _, about in await watch.look()}
        assert standing == {f"engine:main/{name}" for name in world.target.accounts}
        told = (await watch.told_types())[2:]
        assert len(told) == 2 - len(standing)
        ends |= set(told)
        await world.stop()
    assert ends == {EventType.ORPHAN_REMOVED, EventType.ORPHAN_CLEARED}


@on_virtual_time
async def test_a_resurrected_account_goes_by_its_recipe_while_that_is_kept(tmp_path: Path) -> None:
    roles: dict[str, Any] = {}

    class Recording(FakeEngine):
        async def revoke_many(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
            roles.update({account.name: dict(account.role) for account in accounts})
            return await super().revoke_many(accounts)

    world = World(tmp_path, virtual_clock())
    world.engine_class = Recording
    async with world:
        watch = Watch(world)
        kept, other = (await world.issue()).lease, (await world.issue()).lease
        alone = (await world.issue("database/creds/brief")).lease
        for lease in (kept, alone):
            await world.issuance.revoke(HOLDER, lease.id)
        by_hand(world, kept.account, alone.account)
        roles.clear()
        await remove(watch, await report(watch))
        assert roles == {kept.account: {"as": "r"}, alone.account: {}}
        assert list(world.target.accounts) == [other.account]
