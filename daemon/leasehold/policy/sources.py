"""The files of a policy, found and read, and who could have changed them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from leasehold.errors import ConfigError
from leasehold.policy.texts import MAX_BYTES

SUFFIXES = (".yaml", ".yml")
BAD = "bad"
"""A directory of this name holds examples of what is refused, and is not read."""


def sources(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a policy by the name that problems show, in order, with what it holds.

    `path` is a directory or a single file. Of a file that is too long, only so much is read that
    its length can be refused. Raises ConfigError for what cannot be read.
    """
    for file, name in _files(path):
        try:
            with file.open("rb") as opened:
                yield name, opened.read(MAX_BYTES + 1)
        except OSError as error:
            raise _unreadable(error, file) from error


def check_modes(path: Path) -> None:
    """Refuse policy that others could change. Raises ConfigError with the command that mends it."""
    if not path.exists():
        raise _missing(path)
    real = path.resolve()
    for place in (real, *(_below(real) if real.is_dir() else ())):
        check_mode(place)


def check_mode(place: Path) -> None:
    """Refuse one file or directory that others could change. Raises ConfigError as above.

    A link leads to a place that is looked at itself, or is refused when it is read.
    """
    info = place.lstat()
    if stat.S_ISLNK(info.st_mode):
        return
    if info.st_uid not in (0, os.geteuid()):
        raise ConfigError(f"{place}: belongs to uid {info.st_uid}, not to root or us; chown it")
    if info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = stat.S_IMODE(info.st_mode)
        raise ConfigError(f"{place}: others may write it (mode {mode:04o}); run chmod go-w {place}")


def _files(path: Path) -> list[tuple[Path, str]]:
    if path.is_file():
        return [(path, path.name)]
    if not path.is_dir():
        raise _missing(path)
    found = [file for file in _below(path) if _is_policy(file, path)]
    if not found:
        raise ConfigError(f"{path}: holds no policy; it needs a file such as roles.yaml")
    return sorted((file, str(file.relative_to(path))) for file in found)


def _below(folder: Path) -> Iterator[Path]:
    """All that stands below, but for what is aside: hidden, or an example of what is refused."""

    def refuse(error: OSError) -> None:
        raise _unreadable(error, folder) from error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".") and name != BAD]
        for name in (*folders, *files):
            if not name.startswith("."):
                yield Path(parent, name)


def _is_policy(place: Path, root: Path) -> bool:
    """Whether a place is a file to read. Raises ConfigError for what would be left out silently."""
    if place.is_dir():
        if place.is_symlink():
            raise ConfigError(f"{place}: links to a directory, which is not followed; copy it here")
        return False
    if place.suffix not in SUFFIXES:
        return False
    if not place.is_file():
        raise ConfigError(f"{place}: is not a regular file; remove it")
    if not place.resolve().is_relative_to(root.resolve()):
        raise ConfigError(f"{place}: links out of the policy directory; copy the file here")
    return True


def _missing(path: Path) -> ConfigError:
    return ConfigError(f"{path}: no such policy directory or file")


def _unreadable(error: OSError, place: Path) -> ConfigError:
    return ConfigError(f"{error.filename or place}: cannot be read ({error.strerror})")
