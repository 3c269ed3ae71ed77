"""Reading around a broken page of a SQLite store: the leases on it hold up no others.

What an index can answer, such as what is due, it answers; then each row stands for itself.
"""

import sqlite3
from collections.abc import Sequence

from leasehold.leases import sqlite_files, sqlite_rows


def rows_where(
    db: sqlite3.Connection, where: str, values: Sequence[object]
) -> tuple[list[sqlite3.Row], list[str]]:
    """Rows of leases, and ids of those that cannot be read; `values` has the limit last.

    Raises sqlite3.Error, also for a question that no whole index answers.
    """
    try:
        rows = db.execute(f"{sqlite_rows.SELECT} WHERE {where} LIMIT ?", values).fetchall()
    except sqlite3.DatabaseError as broken:
        if not sqlite_files.is_harm(broken):
            raise
    else:
        return rows, []
    ids = db.execute(f"SELECT id FROM lease WHERE {where} LIMIT ?", values).fetchall()
    found = {str(lease_id): row_of(db, str(lease_id)) for (lease_id,) in ids}
    whole = [row for row in found.values() if row is not None]
    return whole, [lease_id for lease_id, row in found.items() if row is None]


def row_of(db: sqlite3.Connection, lease_id: str) -> sqlite3.Row | None:
    """The row of a lease that an index has; None when it cannot be read. Raises sqlite3.Error."""
    try:
        query = f"{sqlite_rows.SELECT} WHERE id = ?"
        found: sqlite3.Row | None = db.execute(query, (lease_id,)).fetchone()
    except sqlite3.DatabaseError as broken:
        if not sqlite_files.is_harm(broken):
            raise
        return None
    return found
