"""Accounts against leases, both ways: what is found, what is only counted, what is left alone."""

import contextlib
import logging
import sqlite3
from pathlib import Path

from fakes.clock import on_virtual_time, virtual_clock
from fakes.policy import OPERATOR, a_bundle, roles_with
from fakes.watch import Watch, by_hand
from fakes.world import World
from leasehold.leases.names import AccountNames, new_lease_id
from leasehold.model import EventType
from leasehold.reconcile.findings import What
from leasehold.reconcile.orphans import MOST

PATH = "database/creds/reader"


def forged(name: str) -> str:
    """The same name with another tag."""
    return name[:-1] + ("a" if name[-1] != "a" else "b")


@on_virtual_time
async def test_an_account_that_no_lease_knows_is_found_and_cleared_when_it_is_gone(
    tmp_path: Path,
) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        await world.issue()
        stray = watch.names.core(new_lease_id(PATH))
        by_hand(world, stray)
        for _ in range(3):
            assert await watch.look() == [("orphan", f"engine:main/{stray}")]
        world.target.drop(stray)
        assert await watch.look() == []
        found, cleared = await watch.told()
        assert (found.type, cleared.type) == (EventType.ORPHAN_FOUND, EventType.ORPHAN_CLEARED)
        assert found.detail["account"] == cleared.detail["account"] == stray


@on_virtual_time
async def test_an_account_that_stands_again_after_its_lease_ended_is_told_as_that(
    tmp_path: Path, caplog
) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        lease = (await world.issue()).lease
        await world.issuance.revoke(OPERATOR, lease.id)
        by_hand(world, lease.account)
        assert await watch.look() == [("resurrected", f"engine:main/{lease.account}")]
        [event] = await watch.told()
        assert event.detail["lease_id"] == lease.id
        assert "its lease ended at 2026-01-01T00:00:00+00:00" in event.detail["why"]
        assert logging.ERROR in {record.levelno for record in caplog.records}
        assert watch.drift.troubles() == [
            "engine main: 1 accounts stand again after their lease ended; see leasehold orphans"
        ]


@on_virtual_time
async def test_a_wrong_tag_is_told_and_another_mark_is_only_counted(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        ours = (await world.issue()).lease.account
        wrong = forged(watch.names.core(new_lease_id(PATH)))
        others = AccountNames("another deployment", b"k" * 32)
        by_hand(world, wrong, *(others.core(new_lease_id(PATH)) for _ in range(7)), "app_owner")
        assert await watch.look() == [("wrong-tag", f"engine:main/{wrong}")]
        async with watch.drift.accounts() as report:
            main = report.engines[0]
            assert (main.engine, main.ours, main.foreign) == ("main", 1, 7)
            assert report.removable == {}
        assert ours in world.target.accounts


@on_virtual_time
async def test_a_dressed_name_leads_to_its_lease_and_lends_its_tag_to_no_other(
    tmp_path: Path,
) -> None:
    roles = roles_with("reader", username_template="v-{{name}}-{{timestamp}}")
    async with World(tmp_path, virtual_clock(), a_bundle(roles=roles)) as world:
        watch = Watch(world)
        lease = (await world.issue()).lease
        assert lease.account.startswith("v-lh")
        assert await watch.look() == []
        copy, stray = f"{lease.account}-copy", f"v-{watch.names.core(new_lease_id(PATH))}-1"
        by_hand(world, copy, stray)
        assert await watch.look() == [
            ("orphan", f"engine:main/{stray}"),
            ("wrong-tag", f"engine:main/{copy}"),
        ]
        await world.issuance.revoke(OPERATOR, lease.id)
        assert ("wrong-tag", f"engine:main/{copy}") in await watch.look()


@on_virtual_time
async def test_an_active_lease_without_its_account_is_a_ghost(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        lease, other = [(await world.issue(ttl_s=600)).lease for _ in range(2)]
        world.target.drop(lease.account)
        assert await watch.look() == [("ghost", lease.id)]
        [event] = await watch.told()
        assert event.type is EventType.DRIFT_FOUND
        assert event.detail["account"] == lease.account
        by_hand(world, lease.account)
        assert await watch.look() == []
        world.target.drop(other.account)
        assert await watch.look() == [("ghost", other.id)]
        await world.issuance.revoke(OPERATOR, other.id)
        assert await watch.look() == [], "a lease that has ended needs no account"


@on_virtual_time
async def test_a_lease_past_its_end_is_no_ghost_while_it_is_taken_away(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        lease = (await world.issue(ttl_s=60)).lease
        world.clock.advance(s=61)
        world.target.drop(lease.account)
        assert await watch.look() == []


@on_virtual_time
async def test_what_a_damaged_row_may_cover_is_no_orphan(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        await world.issue()
        with contextlib.closing(sqlite3.connect(world.state_dir / "leases.db")) as db, db:
            db.execute("UPDATE lease SET state = 'revoked', next_ms = NULL")
        assert await watch.look() == []
        async with world.store.alone() as store:
            assert (await store.counts()).damaged == 1


@on_virtual_time
async def test_of_too_many_the_rest_is_counted(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        world.target.page = 5_000
        by_hand(world, *(watch.names.core(new_lease_id(PATH)) for _ in range(MOST + 5)))
        async with watch.drift.accounts() as report:
            assert len(report.findings) == len(report.removable) == MOST
            assert report.engines[0].left_out == 5
        assert {finding.what for finding in report.findings} == {What.ORPHAN}
        assert watch.drift.troubles() == [
            f"engine main: {MOST} accounts bear our tag and no lease knows them;"
            " see leasehold orphans"
        ]


@on_virtual_time
async def test_a_target_that_is_replaced_while_it_is_listed_brings_nothing(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        watch = Watch(world)
        await watch.look()
        by_hand(world, *(watch.names.core(new_lease_id(PATH)) for _ in range(7)))
        calls = world.target.calls

        def replace() -> None:
            world.target.identity = "another"

        world.fate.after(8, replace)
        before = calls["accounts"]
        async with watch.drift.accounts() as report:
            assert "was replaced while it was looked at" in report.engines[0].trouble
        assert calls["accounts"] > before
        assert await watch.told() == []
