"""A credential in files that are in memory, and become another credential's in one step.

`$LEASEHOLD_CREDENTIALS` names a link to a directory with a file a field. Another credential gets a
directory of its own, and the link is moved there by one rename, as Kubernetes does with secrets
(https://kubernetes.io/docs/concepts/configuration/secret/#mounted-secrets-are-updated-automatically).
Who opens the directory once reads fields that belong together: the one before it stays until the
next one comes.
"""

import contextlib
import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from leasehold.errors import ConfigError

VARIABLE = "LEASEHOLD_CREDENTIALS"
"""The variable that says where the files are."""
_MEMORY = "/dev/shm"  # noqa: S108 (a directory of our own is made in it)


class CredentialFiles:
    """The files below `folder`, of mode 0600 in directories of mode 0700."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._written: list[Path] = []

    @property
    def path(self) -> Path:
        """The directory that holds the files that were written last."""
        return self._folder / "current"

    def write(self, texts: Mapping[str, str]) -> None:
        """Have the directory hold these files, by their names, and no others."""
        made = self._folder / str(next(self._numbers))
        made.mkdir(mode=0o700)
        for name, text in texts.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(made / name, flags, 0o600), "w") as file:
                file.write(text)
        link = self._folder / "next"
        link.symlink_to(made.name)
        link.rename(self.path)
        self._written.append(made)
        for old in self._written[:-2]:
            shutil.rmtree(old)
        del self._written[:-2]


@contextlib.contextmanager
def credential_files() -> Iterator[CredentialFiles]:
    """Files that nobody else can read, gone with the block. Raises ConfigError."""
    folder = Path(tempfile.mkdtemp(prefix="leasehold-", dir=_memory()))
    try:
        yield CredentialFiles(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _memory() -> str:
    """Where files are in memory and never on a disk. Raises ConfigError."""
    for place in filter(None, (os.environ.get("XDG_RUNTIME_DIR"), _MEMORY)):
        with contextlib.suppress(OSError):
            if stat.S_ISDIR(os.stat(place).st_mode) and os.access(place, os.W_OK):
                return place
    raise ConfigError(f"--files: neither $XDG_RUNTIME_DIR nor {_MEMORY} is there; use --env")
