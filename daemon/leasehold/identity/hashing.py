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
SETTLED_MS = 2_000
_Key = tuple[int, int, int, int, int]


class Hashes:
    """Hashes in threads of its own, `AT_ONCE` at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pool = ThreadPoolExecutor(AT_ONCE, "hashing")
        self._kept: dict[_Key, str] = {}

    async def of(self, descriptor: int) -> str:
        """The SHA-256, in hexadecimal, of the file that an O_PATH descriptor is of. Raises Untold.

        Whoever stops waiting finds it the next time.
        """
        try:
            file = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise Untold(f"its executable cannot be read ({error.strerror})") from error
        try:
            key = _key(os.fstat(file))
            if known := self._kept.get(key):
                return known
            thread_s = os.dup(file)  # which outlives whoever stops waiting
        finally:
            os.close(file)
        hashing = asyncio.get_running_loop().run_in_executor(self._pool, _hash, thread_s, key)
        hashing.add_done_callback(partial(self._keep, key))
        return await asyncio.shield(hashing)

    def _keep(self, key: _Key, hashing: "asyncio.Future[str]") -> None:
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
    """Blocks; closes the descriptor. Raises Untold when the file changes meanwhile."""
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        try:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise Untold(f"its executable cannot be read ({error.strerror})") from error
        if _key(os.fstat(descriptor)) != key:
            raise Untold("its executable was changed while it was read")
        return found
