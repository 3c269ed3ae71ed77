"""Who could change a place: what others may write, exchange or have made is not trusted.

Directories decide over names. A file for us alone, in a directory into which others may write, is
theirs to exchange. A sticky directory (`/tmp`) lets nobody exchange what belongs to somebody else.
"""

import os
import stat
from pathlib import Path

from leasehold.errors import ConfigError


def check_ancestors(place: Path, what: str) -> None:
    """Refuse a place that others could exchange, in one of the directories that lead to it.

    `place` need not be there; where a link leads along, both ways are looked at. `what` is that
    which would be exchanged. Raises ConfigError with what to mend, OSError.
    """
    for folder in {*place.absolute().parents, *place.resolve().parents}:
        check_directory(folder, what)


def check_directory(folder: Path, what: str) -> None:
    """Refuse a directory in which others could exchange `what`. Raises ConfigError, OSError."""
    info = folder.stat()
    if info.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"{folder}: belongs to uid {info.st_uid}, who could replace the {what}; allowed are"
            " root and the daemon's user"
        )
    open_to_others = info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if open_to_others and not info.st_mode & stat.S_ISVTX:
        raise ConfigError(
            f"{folder}: others may write it (mode {stat.S_IMODE(info.st_mode):04o}) and could"
            f" replace the {what}; run chmod go-w {folder}"
        )


def check_private(file: Path) -> None:
    """Refuse a file that others made, read or have under another name; none at all is well.

    Raises ConfigError with what to mend, OSError.
    """
    try:
        info = file.lstat()
    except FileNotFoundError:
        return
    check_ours(file, info)
    if info.st_nlink > 1:
        raise ConfigError(
            f"{file}: has {info.st_nlink} names (hard links); put a copy in its place"
        )


def check_ours(file: Path, info: os.stat_result) -> None:
    """Refuse what is no file, or not ours alone to read. Raises ConfigError with what to mend."""
    if not stat.S_ISREG(info.st_mode):
        raise ConfigError(f"{file}: is not a regular file; look what it is, and move it away")
    if info.st_uid != os.geteuid():
        raise ConfigError(f"{file}: belongs to uid {info.st_uid}, not to us; chown it")
    if info.st_mode & 0o077:
        mode = stat.S_IMODE(info.st_mode)
        raise ConfigError(f"{file}: has mode {mode:04o}; run chmod 0600 {file}")
