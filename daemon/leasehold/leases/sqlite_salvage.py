"""A store whose file is broken, copied into a sound one before anything is written to it (rule D3).

Writing on into a broken tree spreads the harm, so the file is looked at before each start. Leases
that cannot be read any more are left behind: they stand in the audit, and their accounts are found
as orphans by the first look. Of everything else nothing may be missing, since what was frozen,
sealed or rotated would be forgotten; such a store is refused. The broken file is kept.
"""

import contextlib
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from leasehold.errors import ConfigError
from leasehold.keys.keyfile import sync_directory
from leasehold.leases import sqlite_files

logger = logging.getLogger(__name__)

_OF_THE_FILE = "*** in database"
"""How SQLite begins what it says of pages; what it says of rows and indexes begins otherwise."""
SEQUENCE = "sqlite_sequence"
_MADE_ANEW = ("lease", "tally")
_COPY = "INSERT INTO main.{0} SELECT * FROM old.{0} LIMIT -1"
"""With a limit, or SQLite would take records over as they lie on the pages, broken ones too."""
_LEASE = "SELECT * FROM old.lease WHERE id = ?"
_SAVE = f"INSERT OR IGNORE INTO main.lease {_LEASE}"
_IDS = (
    "SELECT id FROM old.lease INDEXED BY lease_holder",
    "SELECT id FROM old.lease NOT INDEXED ORDER BY id",
    "SELECT id FROM old.lease NOT INDEXED ORDER BY id DESC",
)


def make_whole(path: Path) -> None:
    """Look at the file at `path`, and put a sound one in its place if it is broken. Blocks.

    Raises ConfigError when more than leases is lost.
    """
    if not path.exists() or (fault := _fault(path)) is None:
        return
    logger.error("%s: the file is broken (%s); what can be read is saved", path, fault)
    fresh, aside = path.with_name(f"{path.name}.new"), _aside(path)
    try:
        fresh.unlink(missing_ok=True)
        sqlite_files.make(fresh)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            # SQLite then opens also a file that is shorter than it says.
            db.execute("PRAGMA writable_schema = ON")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        with contextlib.closing(sqlite_files.connect(fresh)) as db:
            db.execute("PRAGMA writable_schema = ON")
            db.execute("ATTACH ? AS old", (path.absolute().as_uri(),))
            saved, lost = _copy(db)
        _sync(fresh)
        sqlite_files.make(aside)
        shutil.copyfile(path, aside)
        _sync(aside)
        fresh.rename(path)
        sync_directory(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(
            f"{path}: the file is broken and cannot be saved ({error}); put a backup back"
        ) from error
    logger.error(
        "%s: %d leases were saved, %d are known to be lost; what was broken is kept as %s",
        *(path, saved, lost, aside.name),
    )


def _fault(path: Path) -> str | None:
    """What is wrong with the shape of the file; None when it is sound."""
    try:
        with contextlib.closing(sqlite_files.connect(path, read_only=True)) as db:
            [told] = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as broken:
        return str(broken) if sqlite_files.is_harm(broken) else None
    return " ".join(told.split()) if told.startswith(_OF_THE_FILE) else None


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    return aside


def _copy(db: sqlite3.Connection) -> tuple[int, int]:
    """Copy all that can be read; returns how many leases that was, and how many are known lost."""
    made = db.execute(sqlite_files.THINGS.replace("sqlite_master", "old.sqlite_master"))
    things = [(kind, name, sql) for kind, name, sql in made if name != SEQUENCE]
    # To be known beforehand: once SQLite meets harm in a transaction, it writes no more.
    known = _ids(db)
    whole = [lease_id for lease_id in known if _is_whole(db, lease_id)]
    db.execute("PRAGMA ignore_check_constraints = ON")
    db.execute("BEGIN")
    for kind, name, sql in things:
        if kind == "table":
            db.execute(sql)
            if name not in _MADE_ANEW:
                db.execute(_COPY.format(name))
    db.execute(f"DELETE FROM main.{SEQUENCE}")
    db.execute(_COPY.format(SEQUENCE))
    db.execute("DELETE FROM main.meta WHERE name = 'lease_sum'")
    db.executemany(_SAVE, ((lease_id,) for lease_id in whole))
    for kind, _, sql in things:
        if kind == "index":
            db.execute(sql)
    [version] = db.execute("PRAGMA old.user_version").fetchone()
    db.execute(f"PRAGMA main.user_version = {version}")
    db.execute("COMMIT")
    [saved] = db.execute("SELECT count(*) FROM main.lease").fetchone()
    return int(saved), len(known) - int(saved)


def _is_whole(db: sqlite3.Connection, lease_id: str) -> bool:
    with _broken_off():
        return bool(db.execute(_LEASE, (lease_id,)).fetchall())
    return False


def _ids(db: sqlite3.Connection) -> set[str]:
    """Ids of leases, as an index has them, and the table from either end as far as it goes."""
    found: set[str] = set()
    for query in _IDS:
        with _broken_off():
            found.update(str(lease_id) for (lease_id,) in db.execute(query))
    return found


@contextlib.contextmanager
def _broken_off() -> Iterator[None]:
    """What meets the harm goes no further."""
    try:
        yield
    except sqlite3.DatabaseError as broken:
        if not sqlite_files.is_harm(broken):
            raise
