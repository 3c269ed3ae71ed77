"""What only a store in files has: its directory, its lock, its disk."""

import asyncio
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from component.leases.home import KEY, SQLiteHome, end, issue
from fakes.leases import a_lease
from leasehold.errors import ConfigError, Unavailable
from leasehold.keys.keyfile import Key
from leasehold.leases.sqlite import SQLiteStore
from leasehold.leases.sqlite_reads import BY_MIDDLE
from leasehold.quota import Kind


@pytest.fixture
def home(tmp_path: Path) -> SQLiteHome:
    return SQLiteHome(tmp_path)


def refusal(state_dir: Path, key: Key = KEY) -> str:
    with pytest.raises(ConfigError) as caught:
        SQLiteStore(state_dir, key)
    assert str(state_dir) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_second_daemon_on_one_directory_is_refused_and_told_of_the_first(home) -> None:
    async with home.opened() as store:
        lease = await issue(store)
        said = refusal(home.path.parent)
        assert f"another leasehold (pid {os.getpid()})" in said
        assert "stop it" in said
        await end(store, lease)
    async with home.opened() as store:
        assert (await store.get(lease.id)) is not None, "a directory that was let go is free"


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o770, 0o777])
def test_a_directory_that_others_may_enter_is_refused_with_the_command_that_mends_it(
    home, mode
) -> None:
    home.path.parent.mkdir(mode=0o700)
    home.path.parent.chmod(mode)
    assert f"has mode {mode:04o}; run chmod 0700 {home.path.parent}" in refusal(home.path.parent)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_refused(home) -> None:
    home.path.parent.mkdir(mode=0o700)
    os.chown(home.path.parent, 65_534, 65_534)
    assert "belongs to uid 65534" in refusal(home.path.parent)


async def test_the_directory_is_made_for_its_owner_alone(home) -> None:
    before = os.umask(0)
    try:
        async with home.opened():
            assert stat.S_IMODE(home.path.parent.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be used" in refusal(tmp_path / "file" / "state")
    assert "cannot be used" in refusal(tmp_path / "file")


async def test_tables_of_a_newer_leasehold_are_refused(home) -> None:
    async with home.opened():
        pass
    [(known,)] = home.execute("PRAGMA user_version")
    home.execute("PRAGMA user_version = 99")
    said = refusal(home.path.parent)
    assert "version 99" in said
    assert "upgrade leasehold" in said
    home.execute(f"PRAGMA user_version = {known}")
    async with home.opened():
        pass  # what was refused holds no lock


async def test_a_store_under_another_key_is_refused(home) -> None:
    async with home.opened():
        pass
    said = refusal(home.path.parent, Key(id="fedcba9876543210", value=b"o" * 32))
    assert "under key 0123456789abcdef" in said
    assert "restore the key" in said


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"x" * 9000]
)
def test_a_file_that_is_no_store_is_refused(home, content) -> None:
    home.path.parent.mkdir(mode=0o700)
    home.path.write_bytes(content)
    home.path.chmod(0o600)
    assert "not a usable store" in refusal(home.path.parent)
    assert home.path.read_bytes() == content


@pytest.mark.parametrize("name", ["anchor", "audit_head"])
async def test_a_store_that_lost_its_way_is_refused(home, name) -> None:
    async with home.opened() as store:
        await issue(store)
    for value in ("{", "7", '{"seq": 1}', "[1, 2]"):
        home.execute("UPDATE meta SET value = ? WHERE name = ?", value, name)
        assert "does not know itself" in refusal(home.path.parent)


@pytest.mark.parametrize("name", ["a#b", "a?mode=memory", "a%20b", "a b", "über"])
async def test_any_name_of_a_directory_will_do(tmp_path: Path, name: str) -> None:
    home = SQLiteHome(tmp_path / name)
    async with home.opened() as store:
        await issue(store)
    assert home.path.exists()
    async with home.opened() as store:
        assert len(await store.find()) == 1


async def test_the_tables_refuse_a_lease_without_an_end(home) -> None:
    """CVE-2021-32923, for whatever code may come: the deadline is bounded where it is written."""
    async with home.opened() as store:
        lease = await issue(store)
    with sqlite3.connect(home.path) as db:
        for wrong in ("NULL", "0", "issued_ms", "max_expires_ms + 1"):
            with pytest.raises(sqlite3.IntegrityError):
                db.execute(f"UPDATE lease SET expires_ms = {wrong}")
        for wrong in ("next_ms = NULL", "state = 'revoked'"):
            with pytest.raises(sqlite3.IntegrityError):
                db.execute(f"UPDATE lease SET {wrong}")
    db.close()
    async with home.opened() as store:
        assert await store.get(lease.id) == lease


async def test_a_lease_is_found_by_its_accounts_name_without_reading_others(home) -> None:
    async with home.opened():
        plan = home.execute(f"EXPLAIN QUERY PLAN SELECT * FROM lease {BY_MIDDLE}", "[]")
    steps = [text for *_, text in plan]
    assert "SEARCH lease USING INDEX lease_middle (<expr>=?)" in steps
    assert not any(step.startswith("SCAN lease") for step in steps)


async def test_leases_of_a_holder_and_tokens_are_found_without_reading_others(home) -> None:
    queries = {
        "SELECT * FROM lease WHERE holder = ? AND holder <> '' AND next_ms IS NOT NULL": (
            "SEARCH lease USING INDEX lease_holding (holder=?)"
        ),
        "SELECT * FROM token WHERE parent = ? AND parent <> '' AND ended = 0": (
            "SEARCH token USING INDEX token_parent (parent=?)"
        ),
        "SELECT * FROM token WHERE next_ms <= ? ORDER BY next_ms": (
            "SEARCH token USING INDEX token_due (next_ms<?)"
        ),
    }
    async with home.opened():
        for query, step in queries.items():
            assert [text for *_, text in home.execute(f"EXPLAIN QUERY PLAN {query}", 1)] == [step]


async def test_writes_that_wait_together_are_written_together(home) -> None:
    async with home.opened() as store:
        await asyncio.gather(*(issue(store, number) for number in range(300)))
        assert home.audit.appends < 60, "600 changes, and far fewer transactions"


async def test_a_close_finishes_what_was_handed_in(home) -> None:
    store = await home.start()
    tasks = [asyncio.create_task(issue(store, number)) for number in range(5)]
    await asyncio.sleep(0)
    await store.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with home.opened() as store:
        assert len(await store.find()) == 5


@pytest.mark.parametrize("kind", ["nfs4", "9p", "cifs"])
def test_a_directory_on_the_network_is_refused(home, kind, monkeypatch) -> None:
    """The kernel's table of mounts is replaced, since no test can count on a file server."""
    mounts = f"proc /proc proc rw 0 0\nserver:/ / {kind} rw 0 0\n"
    read_text = Path.read_text

    def fake(path: Path, *args: object, **options: object) -> str:
        return mounts if str(path) == "/proc/self/mounts" else read_text(path, *args, **options)

    monkeypatch.setattr(Path, "read_text", fake)
    assert f"is on {kind}; SQLite needs a local filesystem" in refusal(home.path.parent)


async def test_a_meta_row_that_was_changed_behind_our_back_is_refused(home) -> None:
    async with home.opened() as store:
        await issue(store)
    home.execute("UPDATE meta SET value = replace(value, '\"lease_ms\": ', '\"lease_ms\": 1')")
    assert "does not know itself" in refusal(home.path.parent)


async def test_a_tally_that_was_changed_behind_our_back_is_counted_anew(home) -> None:
    async with home.opened() as store:
        for number in range(3):
            await issue(store, number)
    home.execute("UPDATE tally SET count = 0 WHERE kind = 'state'")
    for _ in range(2):
        async with home.opened() as store:
            assert (await store.counts()).live == 3
    home.execute("UPDATE tally SET count = 1, mac = zeroblob(32)")
    async with home.opened() as store:
        assert (await store.counts()).live == 3


async def test_leases_of_before_there_were_quotas_are_counted_too(home, caplog) -> None:
    async with home.opened() as store:
        for number in range(3):
            await issue(store, number)
        await end(store, await issue(store, 3))
    home.execute("DELETE FROM tally WHERE kind IN ('identity', 'tenant')")
    async with home.opened() as store:
        whose = a_lease(0)
        assert await store.live(Kind.IDENTITY) == {whose.identity: 3}
        assert await store.live(Kind.TENANT) == {whose.tenant: 3}
        assert "are counted once" in caplog.text
    caplog.clear()
    async with home.opened() as store:
        assert await store.live(Kind.IDENTITY) == {whose.identity: 3}
        assert not caplog.records


async def test_a_waiting_event_that_was_changed_behind_our_back_is_not_published(home) -> None:
    async with home.opened() as store:
        await issue(store)
    home.execute("UPDATE outbox SET event = replace(event, 'issued', 'revoked')")
    async with home.opened() as store:
        with pytest.raises(Unavailable, match="was damaged"):
            await store.outbox(10)
