"""The SQLite store: one file, one writing thread, readers apart.

WAL with `synchronous=FULL`; reads see every commit. Starting reads the tally and nothing of the
leases, so it takes as long for a million of them as for none.
"""

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from leasehold.clock import Clock
from leasehold.errors import ConfigError
from leasehold.keys.envelope import Envelope
from leasehold.keys.keyfile import Key
from leasehold.leases import sqlite_files, sqlite_meta, sqlite_rows, sqlite_salvage, sqlite_scrub
from leasehold.leases.sqlite_matching import MatchingReads
from leasehold.leases.sqlite_tokens import SQLiteTokens
from leasehold.leases.sqlite_writer import Job, Results, Writer
from leasehold.leases.store import AuditLog, Change, Counts, Document
from leasehold.leases.token_store import TokenChange
from leasehold.model import Event, LeaseState
from leasehold.quota import Kind

RIDE_S = 1.0
"""How long events that nobody waits for stay unwritten when nothing else is written."""


class SQLiteStore(MatchingReads):
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
            sqlite_salvage.make_whole(self._path)
            try:
                sqlite_files.make(self._path)
                self._db = undo.enter_context(contextlib.closing(sqlite_files.connect(self._path)))
                sqlite_files.migrate(self._db)
                rows = sqlite_rows.Rows(key.derive("row mac"))
                meta = sqlite_meta.read(self._db, rows, key.id)
            except (sqlite3.Error, ConfigError) as error:
                raise ConfigError(f"{self._path}: not a usable store ({error})") from error
            undo.pop_all()
        sqlite_files.keep_reserve(state_dir)
        self.deployment_id = meta.deployment_id
        self.saved_anchor, self.audit_head = meta.anchor, meta.audit_head
        super().__init__(self._path, rows, Envelope(key, self.deployment_id))
        self.tokens = SQLiteTokens(rows, self._read, self._put_token)
        self._wakes: list[Callable[[], None]] = []

    def start(self, audit: AuditLog, clock: Clock) -> None:
        """Begin to take writes; to be called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._ride: asyncio.TimerHandle | None = None
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
        if self._ride is not None:
            self._ride.cancel()
            self._write_riders()
        await asyncio.to_thread(self._writer.stop)
        await asyncio.to_thread(self._stop_reading)
        self._db.close()
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

    def record_soon(self, *events: Event) -> None:
        """Have events audited with the next write, or in a moment by themselves."""
        self._writer.telling.carry(events)
        if self._ride is None:
            self._ride = self._loop.call_later(RIDE_S, self._write_riders)

    def _write_riders(self) -> None:
        self._ride = None
        if self._writer.telling.carries:
            outcome = self._outcome()
            # When it fails, the next write takes them along.
            outcome.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._writer.put(Job(outcome))

    async def published(self, seq: int) -> None:
        """Subscribers have all events up to and including `seq`."""
        await self._put(Job(self._outcome(), published=seq))

    async def keep(
        self, documents: Sequence[Document], *events: Event, may_delay_audit: bool = False
    ) -> None:
        """Make documents durable in one transaction with the events that tell of them."""
        job = Job(self._outcome(), documents=documents, events=events, delay=may_delay_audit)
        await self._put(job)

    async def _put_token(self, change: TokenChange) -> None:
        await self._put(Job(self._outcome(), token=change))

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

    # Looking after the file.

    async def scrub(self) -> sqlite_scrub.Scrubbed:
        """Read everything through; what is damaged is counted from then on. Raises Unavailable."""
        stop = threading.Event()
        try:
            found = await asyncio.to_thread(sqlite_scrub.scrub, self._path, self._rows, stop)
        finally:
            stop.set()
        for row in found.damaged:
            account = f"; its account is {row.account}" if row.account else ""
            self._note_damaged(row.lease_id, f"lease {row.lease_id}: {row.why}{account}")
        return found

    async def reindex(self) -> None:
        """Make all indexes anew from the tables. Raises Unavailable."""
        await self._put(Job(self._outcome(), reindex=True))

    async def resum(self) -> None:
        """Make the sum over all leases anew, since they are as they should be. Raises Unavailable.

        See `sqlite_sum`.
        """
        await self._put(Job(self._outcome(), resum=True))

    # Reads that the writer answers, since it keeps the tally.

    async def live(self, kind: Kind) -> Mapping[str, int]:
        """How many live leases each of them has that has any, such as each identity."""
        tally = self._writer.tally
        return {name: n for (found, name), n in tally.items() if found == kind and n > 0}

    async def live_engines(self) -> list[str]:
        """Names of the engines that a live lease belongs to."""
        return self._tallied("engine")

    async def live_recipes(self) -> list[str]:
        """Ids of the recipes that a live lease needs."""
        return self._tallied("recipe")

    async def counts(self) -> Counts:
        """How many there are; costs the same for ten leases and for a million."""
        tally = self._writer.tally
        return Counts(
            by_state={state: tally["state", state.value] for state in LeaseState},
            overdue=tally["flag", "overdue"],
            quarantined=tally["flag", "quarantined"],
            damaged=len(self._damaged),
        )

    def _tallied(self, kind: str) -> list[str]:
        tally = self._writer.tally
        return [name for (found, name), count in tally.items() if found == kind and count > 0]
