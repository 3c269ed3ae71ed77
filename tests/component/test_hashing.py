"""Files are hashed beside everything else, each once, and nobody keeps others from it."""

import asyncio
import fcntl
import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.clock import FakeClock
from fakes.door import Door
from fakes.front import real_clock
from leasehold.identity.hashing import MOST_UNDER_WAY, Hashes
from leasehold.identity.process import Untold

KNOCK = "import socket, sys; s = socket.socket(1); s.connect(sys.argv[1]); sys.stdin.read()"


@pytest.fixture
def hashes() -> Hashes:
    return Hashes(FakeClock())


@pytest.fixture
def files(tmp_path: Path) -> Iterator[list[int]]:
    """O_PATH descriptors of more files than may be hashed."""
    found = []
    for number in range(MOST_UNDER_WAY + 1):
        (tmp_path / f"{number}").write_text(f"{number}")
        found.append(os.open(tmp_path / f"{number}", os.O_PATH))
    yield found
    for descriptor in found:
        os.close(descriptor)


async def test_many_callers_of_one_file_are_one_and_many_files_wait_for_their_turn(
    hashes: Hashes, files: list[int]
) -> None:
    *first, last = files
    results = await asyncio.gather(
        *(hashes.of(each) for each in [*first, *first * 5, last]), return_exceptions=True
    )
    expected = [hashlib.sha256(f"{number}".encode()).hexdigest() for number in range(len(first))]
    assert results[:-1] == expected * 6
    assert isinstance(results[-1], Untold)
    assert "too many" in str(results[-1])
    assert await hashes.of(last) == hashlib.sha256(f"{len(first)}".encode()).hexdigest()


async def test_a_file_that_somebody_keeps_from_being_opened_holds_up_nobody(
    hashes: Hashes, files: list[int], tmp_path: Path
) -> None:
    """A lease (fcntl(2)), which the owner of a file may take, has whoever opens it wait."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    holding = os.open(tmp_path / "0", os.O_RDWR)
    try:
        fcntl.fcntl(holding, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError:
        pytest.skip("needs a file system with leases")
    try:
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            kept = group.create_task(hashes.of(files[0]))
            assert await hashes.of(files[1]) == hashlib.sha256(b"1").hexdigest()
            assert not kept.done()
            fcntl.fcntl(holding, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            assert await kept == hashlib.sha256(b"0").hexdigest()
    finally:
        os.close(holding)
        signal.signal(signal.SIGIO, before)


def test_who_asks_for_all_that_is_known_waits_for_others_who_do(tmp_path: Path) -> None:
    class Watched(Hashes):
        inside = most = 0

        async def of(self, descriptor: int) -> str:
            self.inside += 1
            self.most = max(self.most, self.inside)
            found = await super().of(descriptor)
            self.inside -= 1
            return found

    async def ask() -> None:
        asking = (door.attestation.in_full(caller) for _ in range(3))
        told = await asyncio.gather(*asking)
        assert all("sha256" in each.process.facts for each in told)

    hashes = Watched(real_clock())
    door = Door(tmp_path, hashes=hashes)
    with door.knock(sys.executable, "-c", KNOCK) as (caller, _):
        asyncio.run(ask())
    assert hashes.most == 1
    door.close()
