"""Reading a whole store through, to find what was damaged before somebody needs it (rule D3).

SQLite finds harm to the shape of its file; the MACs find harm to a lease, and the sum over them a
lease that was taken away or put back as it once was. Where a page is broken, what stands on it is
known by an index at least. Runs in a thread of its own, on a connection of its own, as of one
moment. Changes nothing.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from leasehold.errors import Unavailable
from leasehold.leases import sqlite_broken, sqlite_files, sqlite_meta, sqlite_rows, sqlite_sum

PAGE = 500
PAUSE_S = 0.002
"""After so many rows others get the processor for so long."""
MOST_FAULTS = 20
_STEPS = 100_000
"""How many steps of SQLite's machine there are between two looks at whether to stop."""
_BY_INDEX = "SELECT id FROM lease INDEXED BY lease_holder WHERE id > ?"
_OF_A_ROW = ("failed in lease", "value in lease.")
"""What SQLite says of a row that its MAC says more of."""


@dataclass(frozen=True, slots=True)
class DamagedRow:
    """A lease whose row is no good: its id and account as the row says, if it can be read."""

    lease_id: str
    account: str
    why: str


@dataclass(slots=True)
class Scrubbed:
    """What was found in `rows` rows.

    `faults` are SQLite's words on its file, `misindexed` those on its indexes alone. `set_back`
    says that every row is one of ours, and yet not all are the last ones that were written.
    """

    rows: int = 0
    damaged: list[DamagedRow] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    misindexed: list[str] = field(default_factory=list)
    set_back: bool = False

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.damaged or self.faults or self.misindexed or self.set_back)


def scrub(path: Path, rows: sqlite_rows.Rows, stop: threading.Event) -> Scrubbed:
    """Read everything; ends early when `stop` is set. Blocks. Raises Unavailable."""
    found = Scrubbed()
    try:
        with contextlib.closing(sqlite_files.connect(path, read_only=True)) as db:
            db.set_progress_handler(stop.is_set, _STEPS)
            db.execute("BEGIN")
            kept = sqlite_meta.lease_sum(db, rows)
            total = _verify(db, rows, found, stop)
            _check(db, found)
            spoilt = found.damaged or found.faults
            found.set_back = kept is not None and not spoilt and total != kept
    except sqlite3.Error as error:
        raise Unavailable(f"the store cannot be read through ({error})") from error
    return found


def _verify(
    db: sqlite3.Connection, rows: sqlite_rows.Rows, found: Scrubbed, stop: threading.Event
) -> int:
    """Look at every lease; returns the sum over them."""
    total = 0
    for row in _leases(db):
        found.rows += 1
        if isinstance(row, str):
            found.damaged.append(DamagedRow(row, "", "its row cannot be read"))
        elif rows.is_whole(row):
            total += sqlite_sum.worth(rows, row["mac"])
        else:
            why = "its row does not verify"
            found.damaged.append(DamagedRow(str(row["id"]), str(row["account"]), why))
        if found.rows % PAGE == 0 and stop.wait(PAUSE_S):
            raise Unavailable("the store was not read to its end")
    return total % sqlite_sum.MODULUS


def _leases(db: sqlite3.Connection) -> Iterator[sqlite3.Row | str]:
    """Every row of a lease, in the end ids of those that cannot be read."""
    last = ""
    try:
        for row in db.execute(f"{sqlite_rows.SELECT} ORDER BY id"):
            last = str(row["id"])
            yield row
    except sqlite3.DatabaseError as broken:
        for lease_id in _ids_behind(db, last, broken):
            yield sqlite_broken.row_of(db, lease_id) or lease_id


def _ids_behind(db: sqlite3.Connection, last: str, broken: sqlite3.Error) -> Sequence[str]:
    """Ids of leases behind one, by an index. Raises what it was asked for when it is stopped."""
    if not sqlite_files.is_harm(broken):
        raise broken
    with contextlib.suppress(sqlite3.DatabaseError):
        return [str(lease_id) for (lease_id,) in db.execute(_BY_INDEX, (last,))]
    return ()


def _check(db: sqlite3.Connection, found: Scrubbed) -> None:
    """Have SQLite look at its file, and at its indexes."""
    try:
        told = [text for (text,) in db.execute(f"PRAGMA integrity_check({MOST_FAULTS})")]
    except sqlite3.DatabaseError as broken:
        if not sqlite_files.is_harm(broken):
            raise
        told = [str(broken)]
    things = {tuple(row) for row in db.execute(sqlite_files.THINGS)}
    told += [f"{name} is not made as it should be" for _, name, _ in sqlite_files.things() - things]
    for text in told:
        if text == "ok" or any(words in text for words in _OF_A_ROW):
            continue
        by_index = "missing from index" in text or "entries in index" in text
        (found.misindexed if by_index else found.faults).append(" ".join(text.split()))
