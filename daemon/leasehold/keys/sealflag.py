"""The sign that a daemon is sealed, which is read without any key: an empty file in its directory.

Its being there is what counts, so that nothing in it can be broken or in doubt. The store says it
too, under the key; that this file was taken away is therefore noticed (see `reconcile/sealing.py`).
"""

import os
from datetime import UTC, datetime
from pathlib import Path

from leasehold.keys.keyfile import sync_directory

NAME = "sealed"


class SealFlag:
    """The file in `state_dir`. Each method blocks, and raises OSError."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / NAME

    @property
    def is_set(self) -> bool:
        """Whether something has that name, whatever it is."""
        return os.path.lexists(self._path)

    def since(self) -> datetime:
        """When it was put there."""
        return datetime.fromtimestamp(os.lstat(self._path).st_mtime, UTC)

    def put(self) -> None:
        """Have it there, also after a power cut; one that is there stays as it is."""
        os.close(
            os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        )
        sync_directory(self._path.parent)

    def remove(self) -> None:
        """Take it away; quiet when that was done."""
        self._path.unlink(missing_ok=True)
        sync_directory(self._path.parent)
