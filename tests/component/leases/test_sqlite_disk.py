"""F3: a disk that is nearly full, full, or failing. Issuing stops, revoking goes on."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from component.leases.home import (
    SQLiteHome,
    activated,
    end,
    ended,
    intent,
    issue,
    pending,
    revoking,
)
from leasehold import failpoints
from leasehold.errors import Unavailable
from leasehold.leases.sqlite_files import FLOOR_BYTES, RESERVE_BYTES
from leasehold.model import LeaseState

MIB = 1 << 20


@pytest.fixture
def home(tmp_path: Path) -> SQLiteHome:
    return SQLiteHome(tmp_path)


@pytest.fixture
def reserve(home) -> Path:
    return home.path.parent / "reserve"


@pytest.fixture
def disk(monkeypatch) -> SimpleNamespace:
    """What the kernel says of the disk's free space, in bytes."""
    told = SimpleNamespace(free=1 << 40)
    monkeypatch.setattr(
        os, "statvfs", lambda _: SimpleNamespace(f_bavail=told.free // 512, f_frsize=512)
    )
    return told


@pytest.fixture
def commit_fails(tmp_path: Path) -> Iterator[None]:
    path = tmp_path / "failpoints.json"
    path.write_text('{"store.commit": {"action": "full"}}')
    path.chmod(0o600)
    failpoints.arm(path)
    yield
    failpoints.disarm()


async def test_on_a_nearly_full_disk_nothing_is_issued_and_all_is_revoked(home, disk) -> None:
    async with home.opened() as store:
        leases = [await issue(store, number) for number in range(3)]
        waiting = pending(8)
        await store.write(intent(waiting))
        disk.free = FLOOR_BYTES - 512
        with pytest.raises(Unavailable, match="nearly full; free some space"):
            await store.write(intent(pending(9)))
        await store.write(activated(waiting))
        for lease in leases:
            await end(store, lease)
        disk.free = FLOOR_BYTES
        await store.write(intent(pending(9)))


async def test_room_is_kept_back_for_revocations(home, reserve) -> None:
    async with home.opened():
        assert reserve.stat().st_size == RESERVE_BYTES
        assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES, "a hole keeps no room"


async def test_the_reserve_is_given_up_when_a_write_fails_and_kept_again_later(
    home, reserve, disk
) -> None:
    async with home.opened() as store:
        lease = await issue(store)
        home.audit.broken = True
        disk.free = FLOOR_BYTES
        await store.write(revoking(lease))
        assert not reserve.exists()
        home.audit.broken = False
        await issue(store, 2)
        assert not reserve.exists(), "there is no room for it"
        disk.free = FLOOR_BYTES + RESERVE_BYTES
        await issue(store, 3)
        assert reserve.exists()


async def test_a_start_without_room_for_the_reserve_is_a_start_all_the_same(home, reserve, disk):
    disk.free = FLOOR_BYTES
    async with home.opened() as store:
        assert not reserve.exists()
        await issue(store)


async def test_a_commit_that_fails_leaves_no_trace(home, commit_fails) -> None:
    async with home.opened() as store:
        failpoints.disarm()
        lease = await issue(store)
        before = [await store.find(), await store.counts(), await store.outbox(10)]
        failpoints.arm(home.folder / "failpoints.json")
        for change in (intent(pending(2)), revoking(lease)):
            with pytest.raises(Unavailable, match="ledger cannot be written"):
                await store.write(change)
        assert [await store.find(), await store.counts(), await store.outbox(10)] == before
        failpoints.disarm()
        ending = revoking(lease)
        await store.write(ending)
        await store.write(ended(ending.new))
        assert (await store.counts()).by_state[LeaseState.REVOKED] == 1


async def test_delayed_audit_lines_survive_a_commit_that_fails(home, tmp_path) -> None:
    async with home.opened() as store:
        lease = await issue(store)
        home.audit.broken = True
        await end(store, lease)
        home.audit.broken = False
        path = tmp_path / "failpoints.json"
        path.write_text('{"store.commit": {"action": "full"}}')
        path.chmod(0o600)
        failpoints.arm(path)
        try:
            with pytest.raises(Unavailable):
                await store.write(intent(pending(2)))
        finally:
            failpoints.disarm()
        home.audit.lines.clear()
        await issue(store, 2)
        assert [delayed for _, delayed in home.audit.lines] == [True, True, False, False]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 120 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={120 * MIB},mode=0700", "tmpfs", place]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small filesystem is not allowed here")
    yield place
    subprocess.run(["umount", place], check=True)


async def test_on_a_disk_that_a_neighbour_filled_to_the_brim_leases_still_end(small_disk) -> None:
    async with SQLiteHome(small_disk).opened() as store:
        leases = [await issue(store, number) for number in range(200)]
        fill(small_disk / "neighbour")
        with pytest.raises(Unavailable):
            await store.write(intent(pending(999)))
        for lease in leases:
            await end(store, lease)
        assert (await store.counts()).live == 0
        (small_disk / "neighbour").unlink()
        await issue(store, 999)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        size = MIB
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
