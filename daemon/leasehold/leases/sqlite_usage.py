"""Questions about many leases at once, answered by SQLite. Rows are counted and not verified."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from leasehold.leases.store import Progress
from leasehold.quota import Kind

HOLDERS = (
    "SELECT mount, role, identity, count(*) AS leases FROM lease"
    " WHERE next_ms IS NOT NULL GROUP BY mount, role, identity"
)
BEYOND = (
    "SELECT count(*) FROM lease"
    " WHERE next_ms IS NOT NULL AND mount = ? AND role = ? AND expires_ms > issued_ms + ?"
)
_COLUMNS = {
    Kind.ROLE: "mount || '/' || operation || '/' || role",
    Kind.MOUNT: "mount",
    Kind.ENGINE: "engine",
    Kind.TENANT: "tenant",
    Kind.IDENTITY: "identity",
}
_FAILING = "state = 'revoking' AND last_error <> '' AND next_ms > :at_ms"
# A damaged row is told by itself; what waits for its lease would wait for ever.
UNDAMAGED = "id NOT IN (SELECT value FROM json_each(:damaged))"
# A column beside a single max() is of the row that has the maximum (SQLite, "Bare columns").
PROGRESS = f"""
    SELECT count(*), total(state IN ('disabled', 'revoked')), total(state = 'revoked'),
        total(state = 'revoked' AND last_error <> ''), total({_FAILING}),
        max(CASE WHEN {_FAILING} THEN next_ms END), last_error
    FROM lease
    WHERE {UNDAMAGED} AND id >= :prefix AND id < :behind
        AND substr(id, 1, length(:prefix)) = :prefix
        AND issued_ms <= :until_ms AND generation < :generation
        AND (next_ms IS NOT NULL OR ended_ms >= :until_ms)
"""
IRREVOCABLE = (
    "next_ms IS NOT NULL AND (overdue = 1 OR quarantined = 1)"
    " AND (? OR identity IN (SELECT value FROM json_each(?)))"
)
_EVER_MS = 1 << 62


def progress(
    db: sqlite3.Connection,
    prefix: str,
    at_ms: int | None,
    before_generation: int | None,
    damaged: Iterable[str],
) -> Progress:
    """How far the end of leases below `prefix` has come; of damaged ones nothing is known."""
    values = {
        "damaged": json.dumps(sorted(damaged)),
        "prefix": prefix,
        "behind": prefix + "\U0010ffff",
        "at_ms": -1 if at_ms is None else at_ms,
        "until_ms": _EVER_MS if at_ms is None else at_ms,
        "generation": _EVER_MS if before_generation is None else before_generation,
    }
    total, ended, gone, forced, failing, _, error = db.execute(PROGRESS, values).fetchone()
    return Progress(
        total=total,
        ended=int(ended),
        gone=int(gone),
        forced=int(forced),
        failing=int(failing),
        last_error=error if failing else "",
    )


def irrevocable(identities: Sequence[str] | None) -> list[object]:
    """The values of `IRREVOCABLE`: leases of these identities, None for everybody's."""
    return [identities is None, json.dumps(list(identities or ()))]


def irrevocable_by_mount(
    db: sqlite3.Connection, identities: Sequence[str] | None
) -> Mapping[str, int]:
    """How many leases are overdue or quarantined on each mount that has any."""
    query = f"SELECT mount, count(*) FROM lease WHERE {IRREVOCABLE} GROUP BY mount ORDER BY mount"
    return dict(db.execute(query, irrevocable(identities)).fetchall())


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


def first_end_ms(db: sqlite3.Connection, kind: Kind, name: str) -> int | None:
    """The earliest deadline of live leases that count for one of them."""
    query = f"SELECT min(expires_ms) FROM lease WHERE next_ms IS NOT NULL AND {_COLUMNS[kind]} = ?"
    found: int | None
    [found] = db.execute(query, (name,)).fetchone()
    return found
