"""Questions about many leases at once, answered by SQLite. Rows are counted and not verified."""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping

HOLDERS = (
    "SELECT mount, role, identity, count(*) AS leases FROM lease"
    " WHERE next_ms IS NOT NULL GROUP BY mount, role, identity"
)
BEYOND = (
    "SELECT count(*) FROM lease"
    " WHERE next_ms IS NOT NULL AND mount = ? AND role = ? AND expires_ms > issued_ms + ?"
)


def holders(db: sqlite3.Connection) -> Mapping[tuple[str, str], Mapping[str, int]]:
    """Live leases by identity, for each mount and role that has any."""
    found: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for mount, role, identity, leases in db.execute(HOLDERS):
        found[mount, role][identity] = leases
    return found


def beyond(db: sqlite3.Connection, mount: str, role: str, span_ms: int) -> int:
    """Live leases of a role that end later than `span_ms` after they were issued."""
    [found] = db.execute(BEYOND, (mount, role, span_ms)).fetchone()
    return int(found)
