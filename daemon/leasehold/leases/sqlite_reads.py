"""What a SQLite store answers: reads on connections of their own, beside the writer's.

They see every commit. A row that does not verify is skipped and named in the log.
"""

import asyncio
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from leasehold.errors import NotFound, Unavailable
from leasehold.keys.envelope import Envelope
from leasehold.leases import (
    sqlite_broken,
    sqlite_documents,
    sqlite_files,
    sqlite_meta,
    sqlite_rows,
    sqlite_usage,
)
from leasehold.leases.names import middle_of
from leasehold.leases.store import Document, OutboxEntry, Progress
from leasehold.model import TOKEN_HOLDER, AuditHead, Lease, LeaseState, Recipe
from leasehold.quota import Kind
from leasehold.record import load_event, load_recipe

logger = logging.getLogger(__name__)

T = TypeVar("T")
READERS = 2
BY_MIDDLE = "WHERE substr(id, -26, 16) IN (SELECT value FROM json_each(?))"
"""As the index says it."""


class Reads:
    """The reading half of a store; see `LeaseStore` for what its methods promise."""

    def __init__(self, path: Path, rows: sqlite_rows.Rows, envelope: Envelope) -> None:
        self._path = path
        self._rows = rows
        self._envelope = envelope
        self._damaged: set[str] = set()
        self._local = threading.local()
        self._open_readers: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="leasehold reader")

    def _stop_reading(self) -> None:
        """Close every reading connection. Blocks."""
        self._readers.shutdown()
        for db in self._open_readers:
            db.close()

    async def get(self, lease_id: str) -> Lease | None:
        """One lease, tombstones included. A damaged row raises Unavailable."""

        def read(db: sqlite3.Connection) -> Lease | None:
            row = db.execute(f"{sqlite_rows.SELECT} WHERE id = ?", (lease_id,)).fetchone()
            return None if row is None else self._whole(row)

        return await self._read(read)

    async def by_middle(self, middles: Sequence[str]) -> Mapping[str, Lease | None]:
        """Leases by what the names of their accounts bear of their ids; None for a damaged row."""

        def read(db: sqlite3.Connection) -> Mapping[str, Lease | None]:
            rows = db.execute(f"{sqlite_rows.SELECT} {BY_MIDDLE}", (json.dumps(list(middles)),))
            return {middle_of(row["id"]): self._undamaged(row) for row in rows}

        return await self._read(read)

    async def document(self, kind: str, name: str) -> Document | None:
        """One document. Raises Unavailable when it does not open."""

        def read(db: sqlite3.Connection) -> Document | None:
            return next(iter(sqlite_documents.read(db, self._envelope, kind, name)), None)

        return await self._read(read)

    async def documents(self, kind: str) -> list[Document]:
        """All documents of a kind, by name. Raises Unavailable when one does not open."""
        return await self._read(lambda db: sqlite_documents.read(db, self._envelope, kind))

    async def sound_documents(self, kind: str) -> list[Document]:
        """Those of a kind that open, by name; the log names the others."""
        return await self._read(lambda db: sqlite_documents.sound(db, self._envelope, kind))

    async def recipe(self, recipe_id: str) -> Recipe:
        """A kept recipe. Raises NotFound, or Unavailable when it does not open."""

        def read(db: sqlite3.Connection) -> Recipe:
            query = "SELECT sealed FROM recipe WHERE id = ?"
            row = db.execute(query, (recipe_id,)).fetchone()
            if row is None:
                raise NotFound(f"recipe {recipe_id} is not kept")
            return load_recipe(
                recipe_id, self._envelope.open(row["sealed"], "recipe", recipe_id, "sealed")
            )

        return await self._read(read)

    async def due(
        self, engine: str, now_ms: int, limit: int, after: Lease | None = None
    ) -> list[Lease]:
        """Up to `limit` leases of `engine` whose `next_ms` has come, oldest first."""
        where, values = "engine = ? AND next_ms <= ?", [engine, now_ms]
        if after is not None:
            where += " AND (next_ms, id) > (?, ?)"
            values += [after.next_ms, after.id]
        return await self._leases(f"{where} ORDER BY next_ms, id", values, limit)

    async def stuck(self, engine: str, now_ms: int, limit: int) -> list[Lease]:
        """Leases of `engine` that wait for another attempt, oldest deadline first."""
        return await self._leases(
            "engine = ? AND next_ms > ? AND state IN ('revoking', 'disabled') AND quarantined = 0"
            " AND NOT (state = 'disabled' AND unproven = 1) ORDER BY expires_ms",
            [engine, now_ms],
            limit,
        )

    async def next_ms(self, engine: str) -> int | None:
        """The next instant at which a lease of `engine` is due."""

        def read(db: sqlite3.Connection) -> int | None:
            found: int | None
            [found] = db.execute(
                "SELECT min(next_ms) FROM lease WHERE engine = ? AND next_ms IS NOT NULL"
                " AND id NOT IN (SELECT value FROM json_each(?))",
                (engine, json.dumps(sorted(self._damaged))),
            ).fetchone()
            return found

        return await self._read(read)

    async def held_by(self, holder: str, limit: int) -> list[Lease]:
        """Leases that are bound to `holder` and do not end yet."""
        where = "holder = ? AND holder <> '' AND next_ms IS NOT NULL"
        return await self._leases(f"{where} AND state IN ('pending', 'active')", [holder], limit)

    async def holders_bound(self) -> list[str]:
        """Holders of leases that do not end yet, other than tokens."""
        query = (
            "SELECT DISTINCT holder FROM lease WHERE holder <> '' AND holder NOT LIKE ?"
            " AND next_ms IS NOT NULL AND state IN ('pending', 'active')"
        )
        tokens = f"{TOKEN_HOLDER}%"
        rows = await self._read(lambda db: db.execute(query, (tokens,)).fetchall())
        return [str(holder) for [holder] in rows]

    async def pending(self) -> list[Lease]:
        """Every lease in state pending: after a start, what a crash left behind."""
        return await self._leases("state = 'pending'", [], -1)

    async def find(
        self,
        *,
        prefix: str = "",
        identities: Sequence[str] | None = None,
        states: Sequence[LeaseState] | None = None,
        after: str = "",
        limit: int = 500,
    ) -> list[Lease]:
        """Leases by prefix of their id, in order of ids behind `after`."""
        where, values = sqlite_rows.filtered(prefix, identities, states, after)
        return await self._leases(where, values, limit)

    async def ids(
        self,
        *,
        prefix: str = "",
        identities: Sequence[str] | None = None,
        states: Sequence[LeaseState] | None = None,
        limit: int = 500,
    ) -> list[str]:
        """Ids of the leases that `find` finds, many times as fast: their rows are not verified."""
        where, values = sqlite_rows.filtered(prefix, identities, states)

        def read(db: sqlite3.Connection) -> list[str]:
            query = f"SELECT id FROM lease WHERE {where} LIMIT ?"
            rows = db.execute(query, [*values, limit + len(self._damaged)])
            return [lease_id for (lease_id,) in rows if lease_id not in self._damaged][:limit]

        return await self._read(read)

    async def outbox(self, limit: int) -> list[OutboxEntry]:
        """The oldest events that wait for subscribers. A damaged one raises Unavailable."""

        def read(db: sqlite3.Connection) -> list[OutboxEntry]:
            rows = db.execute("SELECT seq, event, mac FROM outbox ORDER BY seq LIMIT ?", (limit,))
            return [self._entry(row) for row in rows]

        return await self._read(read)

    async def outbox_size(self) -> int:
        """How many events wait for subscribers; their numbers have no gaps."""

        def read(db: sqlite3.Connection) -> int:
            [low, high] = db.execute("SELECT min(seq), max(seq) FROM outbox").fetchone()
            return 0 if low is None else int(high) - int(low) + 1

        return await self._read(read)

    async def holders(self) -> Mapping[tuple[str, str], Mapping[str, int]]:
        """Live leases by identity, for each mount and role that has any."""
        return await self._read(sqlite_usage.holders)

    async def first_end_ms(self, kind: Kind, name: str) -> int | None:
        """The earliest deadline of its live leases, None without any. Reads all of them."""
        return await self._read(lambda db: sqlite_usage.first_end_ms(db, kind, name))

    async def beyond(self, mount: str, role: str, span_ms: int) -> int:
        """Live leases of a role that end later than `span_ms` after they were issued."""
        return await self._read(lambda db: sqlite_usage.beyond(db, mount, role, span_ms))

    async def progress(
        self, prefix: str, *, at_ms: int | None = None, before_generation: int | None = None
    ) -> Progress:
        """How far the end of leases below `prefix` has come."""
        return await self._read(
            lambda db: sqlite_usage.progress(db, prefix, at_ms, before_generation, self._damaged)
        )

    async def irrevocable(self, identities: Sequence[str] | None, limit: int) -> list[Lease]:
        """Live leases that are overdue or quarantined, the oldest deadline first."""
        where = f"{sqlite_usage.IRREVOCABLE} ORDER BY expires_ms, id"
        return await self._leases(where, sqlite_usage.irrevocable(identities), limit)

    async def irrevocable_by_mount(self, identities: Sequence[str] | None) -> Mapping[str, int]:
        """How many of them there are on each mount that has any."""
        return await self._read(lambda db: sqlite_usage.irrevocable_by_mount(db, identities))

    async def checkpoint(self) -> AuditHead | None:
        """The last line of the audit, by the last commit; None before the first."""
        return await self._read(sqlite_meta.audit_head)

    async def _leases(self, where: str, values: list[object], limit: int) -> list[Lease]:
        def read(db: sqlite3.Connection) -> list[Lease]:
            # Damaged rows are skipped, so that many is read on top, and again after new ones.
            known = -1
            while known < len(self._damaged):
                known = len(self._damaged)
                most = limit + known if limit >= 0 else -1
                rows, unread = sqlite_broken.rows_where(db, where, [*values, most])
                for lease_id in unread:
                    self._note_damaged(lease_id, f"lease {lease_id}: its row cannot be read")
                leases = [lease for row in rows if (lease := self._undamaged(row))]
            return leases if limit < 0 else leases[:limit]

        return await self._read(read)

    def _undamaged(self, row: sqlite3.Row) -> Lease | None:
        try:
            return self._whole(row)
        except Unavailable:
            return None

    def _whole(self, row: sqlite3.Row) -> Lease:
        """The lease of a row. Raises Unavailable for a damaged one, which is counted, told once."""
        try:
            return self._rows.lease(row)
        except Unavailable as damage:
            self._note_damaged(row["id"], f"{damage}; its account is {row['account']}")
            raise

    def _note_damaged(self, lease_id: str, why: str) -> None:
        if lease_id not in self._damaged:
            self._damaged.add(lease_id)
            logger.error("%s", why)

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._on_reader, read)

    def _on_reader(self, read: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if not hasattr(self._local, "db"):
                self._local.db = sqlite_files.connect(self._path, read_only=True)
                self._open_readers.append(self._local.db)
            return read(self._local.db)
        except sqlite3.Error as error:
            raise Unavailable(f"the ledger cannot be read ({error})") from error

    def _entry(self, row: sqlite3.Row) -> OutboxEntry:
        if not self._rows.verifies(row["mac"], "outbox", row["event"]):
            raise Unavailable(f"event {row['seq']} of the outbox was damaged")
        return OutboxEntry(row["seq"], load_event(row["event"]))
