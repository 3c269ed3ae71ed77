"""SHA-256 of the files that callers run, each read once.

What was read is known again by device, inode, size and both times of the file. One that was changed
just now is not kept, since another change might bear the same times.
"""

import asyncio
import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from leasehold.clock import Clock
from leasehold.identity.process import Untold

MOST_BYTES = 512 * 1024 * 1024
MOST_KEPT = 256
AT_ONCE = 2
MOST_UNDER_WAY = 8
"""How many files are read, or wait for that."""
SETTLED_MS = 2_000
_Key = tuple[int, int, int, int, int]


class Hashes:
    """Hashes in threads of its own, `AT_ONCE` at a time; callers of one file wait for one hash."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pool = ThreadPoolExecutor(AT_ONCE, "hashing")
        self._kept: dict[_Key, str] = {}
        self._under_way: dict[_Key, asyncio.Future[str]] = {}

    async def of(self, descriptor: int) -> str:
        """The SHA-256, in hexadecimal, of the file that an O_PATH descriptor is of. Raises Untold.

        Whoever stops waiting finds it the next time.
        """
        key = _key(os.fstat(descriptor))
        if known := self._kept.get(key):
            return known
        hashing = self._under_way.get(key)
        if hashing is None:
            hashing = self._begin(key, descriptor)
        return await asyncio.shield(hashing)

    def _begin(self, key: _Key, descriptor: int) -> "asyncio.Future[str]":
        if len(self._under_way) >= MOST_UNDER_WAY:
            raise Untold("too many executables are being hashed; it is not its turn yet")
        outlives = os.dup(descriptor)  # whoever stops waiting
        hashing = asyncio.get_running_loop().run_in_executor(self._pool, _hash, outlives, key)
        self._under_way[key] = hashing
        hashing.add_done_callback(partial(self._keep, key))
        return hashing

    def _keep(self, key: _Key, hashing: "asyncio.Future[str]") -> None:
        del self._under_way[key]
        if hashing.cancelled() or hashing.exception() is not None:
            return
        now_ms = self._clock.wall(self._clock.now_ms()).timestamp() * 1000
        if now_ms - key[3] / 1_000_000 < SETTLED_MS:
            return
        while len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = hashing.result()


def _key(info: os.stat_result) -> _Key:
    if not stat.S_ISREG(info.st_mode):
        raise Untold("its executable is not a regular file")
    if info.st_size > MOST_BYTES:
        raise Untold(f"its executable is larger than {MOST_BYTES >> 20} MiB")
    return info.st_dev, info.st_ino, info.st_mtime_ns, info.st_ctime_ns, info.st_size


def _hash(descriptor: int, key: _Key) -> str:
    """Blocks, as opening may; closes the descriptor. Raises Untold when the file changes."""
    try:
        with open(f"/proc/self/fd/{descriptor}", "rb", buffering=0) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if _key(os.fstat(file.fileno())) != key:
                raise Untold("its executable was changed while it was read")
            return found
    except OSError as error:
        raise Untold(f"its executable cannot be read ({error.strerror})") from error
    finally:
        os.close(descriptor)
