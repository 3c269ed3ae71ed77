"""Rows that an older leasehold wrote, when leases had fewer columns, are read and changed."""

import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from component.leases.home import KEY, SQLiteHome, issue, newer
from leasehold.record import LEASE_FIELDS, lease_values


@pytest.fixture
def home(tmp_path: Path) -> SQLiteHome:
    return SQLiteHome(tmp_path)


LATEST = ("replaces", "replaced_by")


def _drop(home, *columns: str) -> None:
    for column in columns:
        home.execute(f"ALTER TABLE lease DROP COLUMN {column}")


def _write_as_before(home, lease, *, without: tuple[str, ...]) -> None:
    """Give the row of a lease the MAC over the columns that there were then."""
    row = dict(zip(LEASE_FIELDS, lease_values(lease), strict=True))
    later = {column: row.pop(column) for column in ("holder", "labels", *LATEST)}
    then: list[Any] = [int(it) if isinstance(it, bool) else it for it in row.values()]
    then += [[name, its] for name, its in later.items() if its and name not in without]
    mac = hmac.digest(
        KEY.derive("row mac"), json.dumps(then, separators=(",", ":")).encode(), "sha256"
    )
    home.execute("UPDATE lease SET mac = ? WHERE id = ?", mac, lease.id)


async def test_rows_of_before_leases_had_labels_verify_and_can_be_changed(home) -> None:
    async with home.opened() as store:
        lease, other = await issue(store, 1), await issue(store, 2)
        change = newer(lease, holder="unit:a")
        await store.write(change)
    lease = change.new
    _write_as_before(home, lease, without=("labels",))
    _drop(home, "labels", *LATEST)
    home.execute("PRAGMA user_version = 4")
    async with home.opened() as store:
        assert await store.find() == [lease, other]
        told = {"reason": "ABC-1", "naïve": "é\"'"}
        await store.write(newer(lease, labels=told))
        assert (await store.get(lease.id)).labels == told


async def test_rows_of_before_leases_were_replaced_verify_and_can_be_changed(home) -> None:
    async with home.opened() as store:
        lease, other = await issue(store, 1), await issue(store, 2)
    _drop(home, *LATEST)
    home.execute("PRAGMA user_version = 5")
    async with home.opened() as store:
        assert await store.find() == [lease, other]
        await store.write(newer(lease, replaced_by=other.id))
        assert (await store.get(lease.id)).replaced_by == other.id


async def test_a_text_moved_from_the_holder_to_the_labels_does_not_verify(home) -> None:
    async with home.opened() as store:
        lease = await issue(store, 1)
        await store.write(newer(lease, holder='{"reason": "mine"}'))
    home.execute("UPDATE lease SET labels = holder, holder = ''")
    async with home.opened() as store:
        assert await store.find() == []


async def test_rows_of_before_leases_had_holders_verify_and_can_be_changed(home) -> None:
    async with home.opened() as store:
        lease, other = await issue(store, 1), await issue(store, 2)
    _write_as_before(home, lease, without=("holder", "labels"))
    home.execute("DROP INDEX lease_holding")
    _drop(home, "holder", "labels", *LATEST)
    home.execute("DROP TABLE token")
    home.execute("PRAGMA user_version = 3")
    async with home.opened() as store:
        assert await store.find() == [lease, other]
        await store.write(newer(lease, last_error="changed", holder="unit:a"))
        assert [it.id for it in await store.held_by("unit:a", 10)] == [lease.id]
