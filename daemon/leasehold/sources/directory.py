"""Policy from a directory, or a single file, of this machine.

The kernel says when something is written there (watchfiles). It says nothing of a link that leads
elsewhere now, of a network's filesystem, or of what happened while nobody watched, so the files are
looked at now and then as well.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path

from watchfiles import awatch

from leasehold.errors import ConfigError
from leasehold.policy.sources import check_modes, sources
from leasehold.sources.source import Origin, Snapshot

LOOK_S = 5.0
SETTLE_S = 0.2
"""After so long without a change, an editor or a copy has finished."""
_TRIES = 25

Files = tuple[tuple[str, bytes], ...]


class DirectorySource:
    """The policy at `path`."""

    def __init__(self, path: Path) -> None:
        self.location = str(path)
        self.trouble = ""
        self._path = path
        self._seen = ""

    async def read(self) -> Snapshot:
        """Read every file. Raises ConfigError, also when the files never stand still."""
        found = await self._settled(first_pause_s=0)
        self._seen = _digest(found)
        if isinstance(found, ConfigError):
            raise found
        return Snapshot(found, Origin("directory", self.location))

    async def accepted(self, origin: Origin) -> None:
        """Nothing: files have no history that they could follow."""

    async def changed(self) -> None:
        """Wait until the files, or what keeps them from being read, are others and stand still."""
        async with contextlib.aclosing(self._glances()) as glances:
            async for _ in glances:
                if _digest(await self._settled(first_pause_s=SETTLE_S)) != self._seen:
                    return

    async def _glances(self) -> AsyncGenerator[None, None]:
        """Once at first, then whenever something moved, and every LOOK_S in any case."""
        yield
        while True:
            try:
                watch = awatch(
                    self._path,
                    step=round(SETTLE_S * 1000),
                    rust_timeout=round(LOOK_S * 1000),
                    yield_on_timeout=True,
                )
                async with contextlib.aclosing(watch) as changes:
                    async for _ in changes:
                        yield
            except OSError:  # there is nothing to watch, or the kernel has no watch left
                await asyncio.sleep(LOOK_S)
                yield

    async def _settled(self, first_pause_s: float) -> Files | ConfigError:
        """What two looks in a row agree on, so that no half of a change is taken."""
        before, pause_s = await asyncio.to_thread(self._look), first_pause_s
        for _ in range(_TRIES):
            await asyncio.sleep(pause_s)
            found = await asyncio.to_thread(self._look)
            if _digest(found) == _digest(before):
                return found
            before, pause_s = found, SETTLE_S
        return ConfigError(f"{self.location}: changes all the time; reload when it stands still")

    def _look(self) -> Files | ConfigError:
        try:
            check_modes(self._path)
            return tuple(sources(self._path))
        except ConfigError as trouble:
            return trouble
        except OSError as error:  # a file that went while the directory was walked
            return ConfigError(f"{error.filename}: cannot be read ({error.strerror})")


def _digest(found: Files | ConfigError) -> str:
    if isinstance(found, ConfigError):
        return str(found)
    digest = hashlib.sha256()
    for name, data in found:
        digest.update(f"{len(name)}:{name}:{len(data)}:".encode() + data)
    return digest.hexdigest()
