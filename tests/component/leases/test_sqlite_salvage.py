"""A store whose file is broken when it is opened: what can be read is saved, or it is refused."""

import contextlib
import logging
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from component.leases.home import KEY, SQLiteHome, end, issue
from leasehold.errors import ConfigError
from leasehold.leases.sqlite import SQLiteStore
from leasehold.leases.store import Document, LeaseStore
from leasehold.model import Lease

PAGE = 4096
LEASES = 60
KEPT = ("document", "meta", "outbox", "recipe", "token", "unaudited")
"""Tables of which nothing may be missing."""


@pytest.fixture
def home(tmp_path: Path) -> SQLiteHome:
    return SQLiteHome(tmp_path)


async def filled(store: LeaseStore) -> list[Lease]:
    leases = [await issue(store, number) for number in range(LEASES)]
    await store.keep([Document("finding", str(n), {"text": "x" * 500}) for n in range(20)])
    await end(store, leases.pop())
    return leases


def tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        found = {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in KEPT}
    found["meta"] = [row for row in found["meta"] if row[0] != "lease_sum"]
    return found


def zeroed(data: bytes, start: int) -> bytes:
    return data[:start] + bytes(PAGE) + data[start + PAGE :]


def page_of(data: bytes, lease: Lease) -> int:
    """Where the page begins that the row of a lease stands on."""
    return next(
        start
        for start in range(PAGE, len(data), PAGE)
        if data[start] == 0x0A and lease.account.encode() in data[start : start + PAGE]
    )


async def test_the_leases_of_whole_pages_live_on_and_new_ones_are_issued(home, caplog) -> None:
    async with home.opened() as store:
        leases = await filled(store)
    data = home.path.read_bytes()
    broken = zeroed(data, page_of(data, leases[0]))
    home.path.write_bytes(broken)
    async with home.opened() as store:
        there = {lease.id: lease for lease in await store.find(limit=1_000)}
        lost = [lease for lease in leases if lease.id not in there]
        assert leases[0] in lost
        assert len(lost) < LEASES / 2
        assert all(there[lease.id] == lease for lease in leases if lease not in lost)
        assert (await store.counts()).live == len(leases) - len(lost), "they are counted anew"
        await issue(store, LEASES + 1)
        assert (await store.scrub()).clean
    assert home.path.with_name("leases.db.broken-1").read_bytes() == broken, "it is kept"
    [told] = [it.getMessage() for it in caplog.records if "are known to be lost" in it.getMessage()]
    assert f"{len(lost)} are known to be lost" in told
    assert home.path.stat().st_mode & 0o077 == 0


async def opened_anew(home: SQLiteHome, data: bytes) -> str:
    """What comes of a start on such a file: why it was refused, or nothing."""
    state = home.path.parent
    shutil.rmtree(state)
    state.mkdir(mode=0o700)
    home.path.write_bytes(data)
    home.path.chmod(0o600)
    try:
        store = SQLiteStore(state, KEY)
    except ConfigError as refused:
        return str(refused)
    store.start(home.audit, home.clock)
    await store.close()
    return ""


@pytest.mark.parametrize("harm", ["a page is zeroed", "the file is cut off"])
async def test_only_leases_are_missing_or_it_is_refused_in_one_line(home, harm, caplog) -> None:
    caplog.set_level(logging.CRITICAL)
    async with home.opened() as store:
        await filled(store)
    data, before = home.path.read_bytes(), tables(home.path)
    saved = 0
    for start in range(0, len(data), PAGE):
        cut = harm == "the file is cut off"
        refused = await opened_anew(home, data[: start + 100] if cut else zeroed(data, start))
        if refused:
            assert str(home.path) in refused
            assert "\n" not in refused
        else:
            assert tables(home.path) == before
            assert home.execute("PRAGMA quick_check(1)")[0][0].find("*** in") < 0
            saved += home.path.with_name("leases.db.broken-1").exists()
    assert saved or harm == "the file is cut off", "of a page only leases may have to suffer"


async def test_a_sound_file_is_left_alone(home) -> None:
    async with home.opened() as store:
        await filled(store)
    home.tamper_all(owner="somebody else")
    async with home.opened():
        assert not [*home.path.parent.glob("*.broken-*")], "rows are no pages"
