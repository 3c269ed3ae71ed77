"""The sum over all rows of leases: shows one that was taken away, or put back as it once was.

A row's MAC proves that we wrote it, not that it is the last that we wrote. So what each row comes
to is added up, modulo 2**256, in the transaction that changes one; what a row comes to takes the
key, so nobody else can choose old rows that come to the same (rule K2).
"""

import logging
import sqlite3
from collections.abc import Iterable

from leasehold.leases import sqlite_meta
from leasehold.leases.sqlite_rows import Rows
from leasehold.leases.store import Change

logger = logging.getLogger(__name__)

MODULUS = 1 << 256


def after(total: int, rows: Rows, changes: Iterable[Change]) -> int:
    """The sum when these changes are written, `total` being the one before."""
    for change in changes:
        if change.old is not None:
            total -= worth(rows, rows.values(change.old)[-1])
        total += worth(rows, rows.values(change.new)[-1])
    return total % MODULUS


def worth(rows: Rows, mac: bytes) -> int:
    """What the row that bears this MAC comes to."""
    return int.from_bytes(rows.mac("lease sum", mac.hex()), "big")


def of_all(db: sqlite3.Connection, rows: Rows) -> int:
    """The sum over the rows as they stand."""
    macs = db.execute("SELECT mac FROM lease WHERE typeof(mac) = 'blob'")
    return sum(worth(rows, mac) for (mac,) in macs) % MODULUS


def begun(db: sqlite3.Connection, rows: Rows) -> int:
    """The sum that was kept; where none was, or it was damaged, it is made anew."""
    kept = sqlite_meta.lease_sum(db, rows)
    if kept is not None:
        return kept
    [leases] = db.execute("SELECT EXISTS (SELECT 1 FROM lease)").fetchone()
    if leases:
        logger.warning("the leases have no sum that verifies; it is made anew")
    return of_all(db, rows)
