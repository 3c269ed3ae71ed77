"""A store that was damaged behind the daemon's back is read through, and what is wrong is told."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.older_store import search_of
from fakes.policy import HOLDER, OPERATOR
from fakes.watch import Watch
from fakes.world import World
from leasehold.leases.sqlite_files import DATABASE
from leasehold.model import EventType, Lease, LeaseState
from leasehold.reconcile.scrubbing import Scrubbing

PAGE = 4096
LEAF = 0x0A
"""How a page of leases, or of an index, begins when it has no pages below."""


async def scrubbed(world: World) -> list[tuple[str, str]]:
    """What stands after the store was read through: what, and about what."""
    watch = Watch(world)
    await Scrubbing(world._store, world.clock, watch.names, search_of(world), watch.drift).look()
    return [(finding.what, finding.about) for finding in watch.drift.findings.all()]


@contextmanager
def by_hand(world: World) -> Iterator[sqlite3.Connection]:
    """The database of a stopped daemon, for somebody without its key."""
    with closing(sqlite3.connect(world.state_dir / DATABASE)) as db, db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        yield db
    with closing(sqlite3.connect(world.state_dir / DATABASE)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def spoil(world: World, is_it: Callable[[bytes], bool], harm: Callable[[bytes], bytes]) -> None:
    """Change the first page of the file that is the one that is meant."""
    file = world.state_dir / DATABASE
    data = file.read_bytes()
    for start in range(PAGE, len(data), PAGE):
        page = data[start : start + PAGE]
        if page[0] == LEAF and is_it(page):
            file.write_bytes(data[:start] + harm(page) + data[start + PAGE :])
            return
    pytest.fail("there is no such page")


async def issued(world: World, count: int) -> list[Lease]:
    return [(await world.issue(ttl_s=600)).lease for _ in range(count)]


@on_virtual_time
async def test_in_a_sound_store_nothing_is_found_whatever_was_done(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        first, second, third = await issued(world, 3)
        world.clock.advance(s=10)
        await world.issuance.renew(HOLDER, first.id, 900)
        await world.issuance.revoke(OPERATOR, second.id)
        assert await scrubbed(world) == []
        await world.crash()
        await world.start()
        await world.issuance.revoke(OPERATOR, third.id)
        assert await scrubbed(world) == []


@on_virtual_time
async def test_a_flipped_bit_in_an_id_is_told_with_the_account_and_keeps_no_other(
    tmp_path: Path,
) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        lease, other = await issued(world, 2)
        await world.stop()
        flipped = f"{lease.id[:-1]}{chr(ord(lease.id[-1]) ^ 1)}"
        with by_hand(world) as db:
            db.execute("UPDATE lease SET id = ? WHERE id = ?", (flipped, lease.id))
        await world.start()
        assert await scrubbed(world) == [("damaged", flipped)]
        [event] = await Watch(world).told()
        assert event.type is EventType.DRIFT_FOUND
        assert event.detail["account"] == lease.account
        assert (await world.store.counts()).damaged == 1
        world.clock.advance(s=601)
        await world.sweep()
        assert [*world.target.accounts] == [lease.account], "of the other nothing is left"
        assert (await world.lease(other.id)).state is LeaseState.REVOKED


@on_virtual_time
async def test_where_the_account_itself_is_damaged_its_name_is_computed(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        [lease] = await issued(world, 1)
        await world.stop()
        with by_hand(world) as db:
            db.execute("UPDATE lease SET account = replace(account, '_', '-')")
        await world.start()
        assert await scrubbed(world) == [("damaged", lease.id)]
        [event] = await Watch(world).told()
        assert event.detail["account"] == lease.account


@on_virtual_time
async def test_of_a_broken_page_the_leases_are_named_and_all_others_end(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        leases = await issued(world, 60)
        await world.stop()
        await world.start()
        names = [lease.account.encode() for lease in leases]
        spoil(world, lambda page: any(name in page for name in names), lambda page: bytes(PAGE))
        found = await scrubbed(world)
        broken = {lease_id for what, lease_id in found if what == "damaged"}
        assert 0 < len(broken) < 30
        assert [(what, about) for what, about in found if what != "damaged"] == [
            ("file-damaged", "store")
        ]
        told = {event.detail.get("account") for event in await Watch(world).told()}
        assert {lease.account for lease in leases if lease.id in broken} <= told
        world.clock.advance(s=601)
        await world.sweep()
        assert {*world.target.accounts} == {it.account for it in leases if it.id in broken}


@on_virtual_time
async def test_a_lease_that_its_index_has_lost_is_found_and_ends(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        [lease] = await issued(world, 1)
        await world.stop()
        with by_hand(world):
            pass
        spoil(
            world,
            lambda page: b"main" in page and lease.id[-26:].encode() in page and b"lh" not in page,
            lambda page: page.replace(b"main", b"mbin"),
        )
        await world.start()
        world.clock.advance(s=601)
        await world.sweep()
        assert [*world.target.accounts] == [lease.account], "the harm is one"
        assert await scrubbed(world) == []
        await world.sweep()
        assert not world.target.accounts


def _renewed(db: sqlite3.Connection, lease: Lease, before: Any) -> None:
    marks = ", ".join("?" * len(before))
    db.execute("DELETE FROM lease WHERE id = ?", (lease.id,))
    db.execute(f"INSERT INTO lease VALUES ({marks})", before)


def _taken_away(db: sqlite3.Connection, lease: Lease, before: Any) -> None:
    db.execute("DELETE FROM lease WHERE id = ?", (lease.id,))


@pytest.mark.parametrize("harm", [_renewed, _taken_away])
@on_virtual_time
async def test_a_row_that_is_not_the_last_one_that_was_written_is_told(
    tmp_path: Path, harm: Callable[[sqlite3.Connection, Lease, Any], None]
) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        lease, _ = await issued(world, 2)
        await world.stop()
        with by_hand(world) as db:
            before = db.execute("SELECT * FROM lease WHERE id = ?", (lease.id,)).fetchone()
        await world.start()
        world.clock.advance(s=10)
        await world.issuance.renew(HOLDER, lease.id, 900)
        await world.stop()
        with by_hand(world) as db:
            harm(db, lease, before)
        await world.start()
        assert await scrubbed(world) == [("set-back", lease.id)]
        assert await scrubbed(world) == [("set-back", lease.id)]
        [event] = await Watch(world).told()
        assert (event.type, event.detail["account"]) == (EventType.DRIFT_FOUND, lease.account)
        await world.issuance.revoke(OPERATOR, lease.id) if harm is _renewed else None
        world.clock.advance(s=901)
        assert await scrubbed(world) == [("set-back", "store")], "it is over now"
        assert await scrubbed(world) == [], "and then that is over, too"


@pytest.mark.parametrize(
    "harm",
    ["DELETE FROM meta", "UPDATE meta SET value = 'x' || value"],
    ids=["of before there was a sum", "with a damaged one"],
)
@on_virtual_time
async def test_a_store_without_a_sum_gets_one(tmp_path: Path, harm: str, caplog) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        [lease] = await issued(world, 1)
        await world.stop()
        with by_hand(world) as db:
            db.execute(f"{harm} WHERE name = 'lease_sum'")
        await world.start()
        assert "have no sum that verifies" in caplog.text
        await world.issuance.revoke(OPERATOR, lease.id)
        assert await scrubbed(world) == []
        with closing(sqlite3.connect(world.state_dir / DATABASE)) as db:
            [kept] = db.execute("SELECT count(*) FROM meta WHERE name = 'lease_sum'").fetchone()
        assert kept == 1


@on_virtual_time
async def test_a_table_that_is_made_otherwise_is_told(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        await issued(world, 1)
        with by_hand(world) as db:
            db.execute("PRAGMA writable_schema = ON")
            db.execute(
                "UPDATE sqlite_master SET sql = replace(sql, 'expires_ms >', 'expires_ms <')"
            )
        assert await scrubbed(world) == [("file-damaged", "store")]
