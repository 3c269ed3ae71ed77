"""The one writer of a SQLite store: a thread that folds all waiting writes into one transaction.

Each round takes what has queued up meanwhile, writes it, appends its audit lines, makes those
durable, and commits; only then do the callers hear of it. So the cost of being durable is shared by
all who wait, and the order is always audit before commit before answer.
"""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from leasehold import failpoints
from leasehold.clock import Clock
from leasehold.errors import Conflict, LeaseholdError, Unavailable
from leasehold.keys.envelope import Envelope
from leasehold.leases import (
    sqlite_documents,
    sqlite_files,
    sqlite_meta,
    sqlite_rows,
    sqlite_sum,
    sqlite_tally,
    sqlite_tokens,
)
from leasehold.leases.sqlite_audit import Telling, insert
from leasehold.leases.store import AuditLog, Change, Document
from leasehold.leases.tally import Tally, check_limits, counted
from leasehold.leases.token_store import TokenChange
from leasehold.model import PUBLISHED, Event
from leasehold.record import dump_recipe

logger = logging.getLogger(__name__)

BATCH = 500
"""The most jobs in one transaction."""
MERGE_AFTER = 100
"""Transactions after which SQLite's log is merged into its file, as soon as nobody waits."""


@dataclass(slots=True)
class Job:
    """Writes that belong together: changes, documents, bare events, or events that were published.

    With `each`, a change that is refused does not fail the others; with `delay`, the audit lines of
    `events` may be written later. `outcome` gets the changes
    that were written; it belongs to the event loop and is not touched in the writer's thread.
    """

    outcome: "asyncio.Future[list[Change]]"
    changes: Sequence[Change] = ()
    token: TokenChange | None = None
    documents: Sequence[Document] = ()
    events: Sequence[Event] = ()
    published: int | None = None
    reindex: bool = False
    resum: bool = False
    each: bool = False
    delay: bool = False

    @property
    def may_delay_audit(self) -> bool:
        """Whether this may be written when the audit cannot be (rule AU3)."""
        may = self.delay or not self.events
        may &= self.token is None or self.token.may_delay_audit
        return may and all(change.may_delay_audit for change in self.changes)


Results = dict[int, list[Change] | BaseException]
"""What became of each job, by its `id()`."""


class Writer:
    """Owns the writing connection. `tally` counts live leases as they stand after each commit.

    `telling` is its way to the audit. `finished` is called in the writer's thread once a batch,
    since waking the event loop costs.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        state_dir: Path,
        rows: sqlite_rows.Rows,
        envelope: Envelope,
        audit: AuditLog,
        clock: Clock,
        finished: Callable[[Sequence[Job], Results], None],
    ) -> None:
        self._db = db
        self._state_dir = state_dir
        self._rows = rows
        self._envelope = envelope
        self.telling = Telling(db, rows, audit)
        self._clock = clock
        self._finished = finished
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._reserved = False
        self._unmerged = 0
        self._thread = threading.Thread(target=self._run, name="leasehold store", daemon=True)
        self.tally: Tally = sqlite_tally.read(db, rows)
        self._sum = sqlite_sum.begun(db, rows)
        self._recipes: set[str] = {row["id"] for row in db.execute("SELECT id FROM recipe")}
        self._thread.start()

    def put(self, job: Job) -> None:
        """Hand in a job; it is among the next ones that `finished` is told of."""
        self._jobs.put(job)

    def stop(self) -> None:
        """Finish what was handed in, then end the thread. Blocks."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            batch = [self._jobs.get()]
            while len(batch) < BATCH and not self._jobs.empty():
                batch.append(self._jobs.get())
            stopping = None in batch
            jobs = [job for job in batch if job is not None]
            if jobs:
                self._finish(jobs)
                self._merge()

    def _merge(self) -> None:
        """Merge the log between two batches; SQLite itself would do it in somebody's commit."""
        self._unmerged += 1
        if self._unmerged >= MERGE_AFTER and self._jobs.empty():
            failpoints.hit("store.merging")
            with contextlib.suppress(sqlite3.Error):  # as on a full disk; the log keeps everything
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            failpoints.hit("store.merged")
            self._unmerged = 0

    def _finish(self, jobs: list[Job]) -> None:
        """Write a batch, and tell how that went."""
        try:
            results = self._results(jobs)
        except Exception as defect:
            # The guard of this thread. A job that cannot be written must fail alone.
            if len(jobs) > 1:
                for job in jobs:
                    self._finish([job])
                return
            logger.exception("the store could not write a job: a defect of leasehold")
            results = {id(jobs[0]): defect}
        self._finished(jobs, results)

    def _results(self, jobs: list[Job]) -> Results:
        """What the disk or the audit refuses is tried once more without the rest."""
        try:
            return self._transact(jobs, audit=True)
        except sqlite3.IntegrityError:
            raise  # against a CHECK of the tables, whatever the disk is like
        except (OSError, sqlite3.Error) as trouble:
            logger.error("the store could not write: %s", _words(trouble))
            sqlite_files.release_reserve(self._state_dir)
            self._reserved = False
            results: Results = {id(job): _unavailable(trouble) for job in jobs}
            ending = [job for job in jobs if job.may_delay_audit]
            if ending:
                try:
                    results |= self._transact(ending, audit=False)
                except (OSError, sqlite3.Error) as again:
                    results |= {id(job): _unavailable(again) for job in ending}
            return results

    def _transact(self, jobs: list[Job], *, audit: bool) -> Results:
        results: Results = {}
        events: list[Event] = []
        tally = self.tally.copy()
        recipes = self._recipes.copy()
        full = sqlite_files.free_bytes(self._state_dir) < sqlite_files.FLOOR_BYTES
        if not full and not self._reserved:
            self._reserved = sqlite_files.keep_reserve(self._state_dir)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for job in jobs:
                try:
                    written = self._write(job, tally, recipes, full=full)
                except LeaseholdError as refused:
                    results[id(job)] = refused
                    continue
                results[id(job)] = written
                for change in written:
                    events.extend(change.events)
                events.extend(job.events)
                events.extend(() if job.token is None else job.token.events)
            failpoints.hit("store.changed")
            self._publish(events)
            self._keep_tally(tally, recipes)
            total = self._keep_sum(results, anew=any(job.resum for job in jobs))
            self.telling.tell(events, audit=audit)
            sqlite_meta.keep_anchor(self._db, self._rows, self._clock.anchor())
            failpoints.hit("store.commit")
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        failpoints.hit("store.committed")
        self.tally, self._recipes, self._sum = tally, recipes, total
        self.telling.committed()
        return results

    def _write(self, job: Job, tally: Tally, recipes: set[str], *, full: bool) -> list[Change]:
        if job.published is not None:
            self._db.execute("DELETE FROM outbox WHERE seq <= ?", (job.published,))
        if job.reindex:
            self._db.execute("REINDEX")
        for document in job.documents:
            sqlite_documents.write(self._db, self._envelope, document)
        if job.token is not None:
            sqlite_tokens.write(self._db, self._rows, job.token, full=full)
        written = []
        for change in job.changes:
            try:
                self._write_change(change, tally, recipes, full=full)
            except Conflict:
                if not job.each:
                    raise
                continue
            written.append(change)
        return written

    def _write_change(self, change: Change, tally: Tally, recipes: set[str], *, full: bool) -> None:
        values = self._rows.values(change.new)
        sqlite_files.check_room(change.old, change.new, full=full)
        if change.old is None or change.new.holder != change.old.holder:
            sqlite_tokens.check_holder(self._db, change.new.holder)
        check_limits(change, tally)
        if change.old is None:
            self._keep_recipe(change, recipes)
            self._db.execute(sqlite_rows.INSERT, values)
        else:
            place = (change.old.id, change.old.version)
            if self._db.execute(sqlite_rows.UPDATE, (*values[1:], *place)).rowcount == 0:
                raise Conflict(f"lease {change.old.id} was changed by somebody else")
            tally.subtract(counted(change.old))
        tally.update(counted(change.new))

    def _keep_recipe(self, change: Change, recipes: set[str]) -> None:
        recipe = change.recipe
        if recipe is None or recipe.id in recipes:
            return
        sealed = self._envelope.seal(dump_recipe(recipe), "recipe", recipe.id, "sealed")
        self._db.execute("INSERT INTO recipe (id, sealed) VALUES (?, ?)", (recipe.id, sealed))
        recipes.add(recipe.id)

    def _publish(self, events: Sequence[Event]) -> None:
        published = [event for event in events if event.type in PUBLISHED]
        insert(self._db, self._rows, "outbox", published)

    def _keep_sum(self, results: Results, *, anew: bool) -> int:
        written = [change for each in results.values() if isinstance(each, list) for change in each]
        total = sqlite_sum.after(self._sum, self._rows, written)
        if anew:
            total = sqlite_sum.of_all(self._db, self._rows)
        if written or anew:
            sqlite_meta.keep_sum(self._db, self._rows, total)
        return total

    def _keep_tally(self, tally: Tally, recipes: set[str]) -> None:
        changed = [
            (*place, count) for place, count in tally.items() if self.tally.get(place) != count
        ]
        sqlite_tally.keep(self._db, self._rows, changed)
        for kind, name, count in changed:
            if count == 0:
                self._db.execute("DELETE FROM tally WHERE kind = ? AND name = ?", (kind, name))
                del tally[kind, name]
                if kind == "recipe":
                    self._db.execute("DELETE FROM recipe WHERE id = ?", (name,))
                    recipes.discard(name)


def _words(trouble: Exception) -> str:
    if isinstance(trouble, OSError):
        return f"audit or disk: {trouble.strerror}"
    return f"SQLite: {trouble}"


def _unavailable(trouble: Exception) -> Unavailable:
    return Unavailable(f"the ledger cannot be written ({_words(trouble)})")
