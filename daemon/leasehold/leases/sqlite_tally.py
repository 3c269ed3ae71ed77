"""The tally of leases in a SQLite store, each row with a MAC; counted anew when one is damaged."""

import contextlib
import logging
import sqlite3
from collections import Counter
from collections.abc import Iterable

from leasehold.errors import Unavailable
from leasehold.leases.sqlite_rows import SELECT, Rows
from leasehold.leases.tally import Tally, counted, is_whole

logger = logging.getLogger(__name__)


def read(db: sqlite3.Connection, rows: Rows) -> Tally:
    """How many leases there are, as it was kept.

    All leases are read only if that is damaged, or is of a leasehold that counted less.
    """
    found = db.execute("SELECT kind, name, count, mac FROM tally").fetchall()
    if all(rows.verifies(row["mac"], "tally", *tuple(row)[:3]) for row in found):
        tally: Tally = Counter({(row["kind"], row["name"]): row["count"] for row in found})
        [leases] = db.execute("SELECT EXISTS (SELECT 1 FROM lease)").fetchone()
        if is_whole(tally) and bool(tally) == bool(leases):
            return tally
        logger.warning("the tally of leases is not whole; they are counted once")
    else:
        logger.error("the tally of leases does not verify; they are counted anew")
    tally = Counter()
    for row in db.execute(SELECT):
        with contextlib.suppress(Unavailable):  # a damaged row is told when it is read
            tally.update(counted(rows.lease(row)))
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute("DELETE FROM tally")
        keep(db, rows, ((*place, count) for place, count in tally.items()))
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
    return tally


def keep(db: sqlite3.Connection, rows: Rows, changed: Iterable[tuple[str, str, int]]) -> None:
    """Write down counts that changed: kind, name, count."""
    db.executemany(
        "INSERT INTO tally (kind, name, count, mac) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET count = excluded.count, mac = excluded.mac",
        [(*row, rows.mac("tally", *row)) for row in changed],
    )
