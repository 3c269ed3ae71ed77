"""The SQLite store: one file, one writing thread, readers apart.

WAL with `synchronous=FULL`; reads see every commit. Starting reads the tally and nothing of the
leases, so it takes as long for a million of them as for none.
"""

import asyncio
import contextlib
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from leasehold.clock import Clock
from leasehold.errors import ConfigError, NotFound, Unavailable
from leasehold.keys.envelope import Envelope
from leasehold.keys.keyfile import Key
from leasehold.leases import sqlite_files, sqlite_meta, sqlite_rows
from leasehold.leases.sqlite_writer import Job, Results, Writer
from leasehold.leases.store import AuditLog, Change, Counts, OutboxEntry
from leasehold.model import AuditHead, Event, Lease, LeaseState, Recipe
from leasehold.record import load_event, load_recipe

logger = logging.getLogger(__name__)

T = TypeVar("T")
READERS = 2


class SQLiteStore:
    """Durable leases in a state directory; see `LeaseStore` for what its methods promise.

    Opened in two steps, since clock and audit carry on from what was written down:
    `open`, then `start` with both.
    """

    def __init__(self, state_dir: Path, key: Key) -> None:
        """Open or make the store. Blocks; raises ConfigError."""
        sqlite_files.prepare(state_dir)
        self._state_dir = state_dir
        self._path = state_dir / sqlite_files.DATABASE
        with contextlib.ExitStack() as undo:
            self._lock = sqlite_files.lock(state_dir)
            undo.callback(os.close, self._lock)
            try:
                self._db = undo.enter_context(contextlib.closing(sqlite_files.connect(self._path)))
                sqlite_files.migrate(self._db)
                meta = sqlite_meta.read(self._db, key.id)
            except (sqlite3.Error, ConfigError) as error:
                raise ConfigError(f"{self._path}: not a usable store ({error})") from error
            undo.pop_all()
        sqlite_files.keep_reserve(state_dir)
        self.deployment_id = meta.deployment_id
        self.saved_anchor, self.audit_head = meta.anchor, meta.audit_head
        self._rows = sqlite_rows.Rows(key.derive("row mac"))
        self._envelope = Envelope(key, self.deployment_id)
        self._wakes: list[Callable[[], None]] = []
        self._damaged: set[str] = set()
        self._local = threading.local()
        self._open_readers: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="leasehold reader")

    def start(self, audit: AuditLog, clock: Clock) -> None:
        """Begin to take writes; to be called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._writer = Writer(
            self._db,
            self._state_dir,
            self._rows,
            self._envelope,
            audit,
            clock,
            self._finished,
        )

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Call `wake` on the event loop after each batch of writes."""
        self._wakes.append(wake)

    async def close(self) -> None:
        """Finish what was handed in, then let go."""
        await asyncio.to_thread(self._writer.stop)
        await asyncio.to_thread(self._readers.shutdown)
        for db in (*self._open_readers, self._db):
            db.close()
        os.close(self._lock)

    # Writes.

    async def write(self, change: Change) -> None:
        """Make one change durable. Raises Conflict, LimitReached, Unavailable."""
        await self._put(Job(self._outcome(), changes=(change,)))

    async def write_many(self, changes: Sequence[Change]) -> list[Change]:
        """Make many changes durable at once; returns those that were not refused."""
        return await self._put(Job(self._outcome(), changes=changes, each=True)) if changes else []

    async def record(self, *events: Event) -> None:
        """Audit events that change no lease. Raises Unavailable."""
        await self._put(Job(self._outcome(), events=events))

    async def published(self, seq: int) -> None:
        """Subscribers have all events up to and including `seq`."""
        await self._put(Job(self._outcome(), published=seq))

    def _outcome(self) -> "asyncio.Future[list[Change]]":
        return self._loop.create_future()

    async def _put(self, job: Job) -> list[Change]:
        self._writer.put(job)
        return await job.outcome

    def _finished(self, jobs: Sequence[Job], results: Results) -> None:
        self._loop.call_soon_threadsafe(self._tell, jobs, results)

    def _tell(self, jobs: Sequence[Job], results: Results) -> None:
        for job in jobs:
            result = results[id(job)]
            if job.outcome.cancelled():
                continue
            if isinstance(result, BaseException):
                job.outcome.set_exception(result)
            else:
                job.outcome.set_result(result)
        for wake in self._wakes:
            wake()

    # Reads.

    async def get(self, lease_id: str) -> Lease | None:
        """One lease, tombstones included. A damaged row raises Unavailable."""

        def read(db: sqlite3.Connection) -> Lease | None:
            row = db.execute(f"{sqlite_rows.SELECT} WHERE id = ?", (lease_id,)).fetchone()
            return None if row is None else self._rows.lease(row)

        return await self._read(read)

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

    async def live_engines(self) -> list[str]:
        """Names of the engines that a live lease belongs to."""
        return self._tallied("engine")

    async def live_recipes(self) -> list[str]:
        """Ids of the recipes that a live lease needs."""
        return self._tallied("recipe")

    async def due(self, engine: str, now_ms: int, limit: int) -> list[Lease]:
        """Up to `limit` leases of `engine` whose `next_ms` has come, oldest first."""
        return await self._leases(
            "engine = ? AND next_ms <= ? ORDER BY next_ms", [engine, now_ms], limit
        )

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
        where, values = "id > ? AND substr(id, 1, ?) = ?", [after, len(prefix), prefix]
        if prefix:
            where += " AND id >= ? AND id < ?"
            values += [prefix, prefix + "\U0010ffff"]
        for column, allowed in (("identity", identities), ("state", states)):
            if allowed is not None:
                where += f" AND {column} IN (SELECT value FROM json_each(?))"
                values.append(json.dumps(list(allowed)))
        return await self._leases(f"{where} ORDER BY id", values, limit)

    async def counts(self) -> Counts:
        """How many there are; costs the same for ten leases and for a million."""
        tally = self._writer.tally
        return Counts(
            by_state={state: tally["state", state.value] for state in LeaseState},
            overdue=tally["flag", "overdue"],
            quarantined=tally["flag", "quarantined"],
            damaged=len(self._damaged),
        )

    async def outbox(self, limit: int) -> list[OutboxEntry]:
        """The oldest events that wait for subscribers. A damaged one raises Unavailable."""

        def read(db: sqlite3.Connection) -> list[OutboxEntry]:
            rows = db.execute("SELECT seq, event FROM outbox ORDER BY seq LIMIT ?", (limit,))
            return [_entry(row) for row in rows]

        return await self._read(read)

    async def outbox_size(self) -> int:
        """How many events wait for subscribers; their numbers have no gaps."""

        def read(db: sqlite3.Connection) -> int:
            [low, high] = db.execute("SELECT min(seq), max(seq) FROM outbox").fetchone()
            return 0 if low is None else int(high) - int(low) + 1

        return await self._read(read)

    async def checkpoint(self) -> AuditHead | None:
        """The last line of the audit, by the last commit; None before the first."""
        return await self._read(sqlite_meta.audit_head)

    async def _leases(self, where: str, values: list[object], limit: int) -> list[Lease]:
        query = f"{sqlite_rows.SELECT} WHERE {where} LIMIT ?"

        def read(db: sqlite3.Connection) -> list[Lease]:
            # Damaged rows are skipped, so that many is read on top, and again after new ones.
            known = -1
            while known < len(self._damaged):
                known = len(self._damaged)
                rows = db.execute(query, [*values, limit + known if limit >= 0 else -1])
                leases = [lease for row in rows if (lease := self._undamaged(row))]
            return leases if limit < 0 else leases[:limit]

        return await self._read(read)

    def _undamaged(self, row: sqlite3.Row) -> Lease | None:
        try:
            return self._rows.lease(row)
        except Unavailable as damage:
            if row["id"] not in self._damaged:
                self._damaged.add(row["id"])
                logger.error("%s; its account is %s", damage, row["account"])
            return None

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        return await self._loop.run_in_executor(self._readers, self._on_reader, read)

    def _on_reader(self, read: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if not hasattr(self._local, "db"):
                self._local.db = sqlite_files.connect(self._path, read_only=True)
                self._open_readers.append(self._local.db)
            return read(self._local.db)
        except sqlite3.Error as error:
            raise Unavailable(f"the ledger cannot be read ({error})") from error

    def _tallied(self, kind: str) -> list[str]:
        tally = self._writer.tally
        return [name for (found, name), count in tally.items() if found == kind and count > 0]


def _entry(row: sqlite3.Row) -> OutboxEntry:
    try:
        return OutboxEntry(row["seq"], load_event(row["event"]))
    except (KeyError, TypeError, ValueError) as damage:
        raise Unavailable(f"event {row['seq']} of the outbox was damaged") from damage
