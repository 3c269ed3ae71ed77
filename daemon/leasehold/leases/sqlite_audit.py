"""What a batch of writes tells the audit: at once, or once the audit can be written again (AU3).

The audit's head is kept in the batch's own transaction, and each line bears the last one that was
committed, so that a store that was set back shows (rule AU4).
"""

import logging
import sqlite3
from collections.abc import Iterator, Sequence

from leasehold.leases import sqlite_meta
from leasehold.leases.sqlite_rows import Rows
from leasehold.leases.store import AuditLog
from leasehold.model import AuditHead, Event
from leasehold.record import dump_event, load_event

logger = logging.getLogger(__name__)


class Telling:
    """Used in the writer's thread, within its transaction; only `carry` and `carries` are not."""

    def __init__(self, db: sqlite3.Connection, rows: Rows, audit: AuditLog) -> None:
        self._db = db
        self._rows = rows
        self._audit = audit
        self._late: int = db.execute("SELECT count(*) FROM unaudited").fetchone()[0]
        head = sqlite_meta.audit_head(db)
        self._stored = head.seq if head else 0
        self._riders: list[Event] = []
        self._taken = 0

    def carry(self, events: Sequence[Event]) -> None:
        """Have events told with the next batch, whatever becomes of its jobs."""
        self._riders.extend(events)

    @property
    def carries(self) -> bool:
        """Whether events wait for a batch."""
        return bool(self._riders)

    def tell(self, events: Sequence[Event], *, audit: bool) -> None:
        """Write what rides along and then events, or keep them for later. Raises OSError."""
        riders = self._riders[:]
        told = [*riders, *events]
        self._taken = len(riders)
        if not audit:
            insert(self._db, self._rows, "unaudited", told)
            self._after = self._stored, self._late + len(told)
            return
        head: AuditHead | None = None
        if self._late:
            head = self._audit.append(list(self._waiting()), delayed=True, stored=self._stored)
            self._db.execute("DELETE FROM unaudited")
        if told:
            head = self._audit.append(told, stored=self._stored)
        if head is not None:
            sqlite_meta.keep_head(self._db, self._rows, head)
        self._after = head.seq if head else self._stored, 0

    def committed(self) -> None:
        """What was told last is in the store for good."""
        self._stored, self._late = self._after
        del self._riders[: self._taken]

    def _waiting(self) -> Iterator[Event]:
        for row in self._db.execute("SELECT seq, event, mac FROM unaudited ORDER BY seq"):
            if self._rows.verifies(row["mac"], "unaudited", row["event"]):
                yield load_event(row["event"])
            else:
                logger.error("delayed audit line %d was damaged; it is left out", row["seq"])


def insert(db: sqlite3.Connection, rows: Rows, table: str, events: Sequence[Event]) -> None:
    """Put events at the end of a table of events."""
    texts = [dump_event(event) for event in events]
    db.executemany(
        f"INSERT INTO {table} (event, mac) VALUES (?, ?)",
        [(text, rows.mac(table, text)) for text in texts],
    )
