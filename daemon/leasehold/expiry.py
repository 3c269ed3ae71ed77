"""The worker that ends what is due.

No lease has a timer. One worker an engine asks the ledger for what is due, in batches, and hands
each batch to the remover; so start-up and memory do not depend on how many leases there are, and a
dead target holds up nobody else's leases. Workers exist only for engines with live leases, and wake
at least once a second while they do: asyncio's timers stop when the machine is suspended, the
leases' clock does not (rule C7).

While a target is away (its breaker is open) no lease is tried; the target itself is asked now and
then, the leases are put off, and told as overdue when they are. When it answers again, all that
waits is drained at once, oldest deadline first (rule Q3).
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Sequence

from leasehold import due
from leasehold.clock import Clock
from leasehold.due import Batch
from leasehold.engines.guarded import GuardedEngine
from leasehold.errors import EngineError, LeaseholdError
from leasehold.failpoints import reach
from leasehold.leases.store import LeaseStore
from leasehold.loops import Progress
from leasehold.model import Cause, Lease, LeaseState
from leasehold.removal import Remover

logger = logging.getLogger(__name__)

BATCH = 500
LANES = 2
"""While one batch is at the target, the next one is read."""
ROUND = 20
"""How many batches are taken away before they are written down."""
TICK_S = 1.0
BUSY_S = 0.05
"""How long to wait when all that is due is being worked on by somebody else."""


class ExpiryWorker:
    """Ends leases when they are due, and what is revoking until it is gone."""

    def __init__(self, store: LeaseStore, clock: Clock, remover: Remover) -> None:
        self._store = store
        self._clock = clock
        self._remover = remover
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._away: defaultdict[str, set[GuardedEngine]] = defaultdict(set)
        self._drained: set[str] = set()
        self._looked_ms: defaultdict[str, int] = defaultdict(int)
        self._looked = asyncio.Event()
        self._progress = Progress()

    def lag_s(self) -> float:
        """For how many seconds the slowest worker has got no further; 0 when nothing is to be done.

        A round that a defect cut off is no progress; one that met a target or a disk that is away
        is, since more cannot be done about it here.
        """
        return self._progress.lag_s()

    def hurry(self) -> None:
        """Something is due that was not; look at once."""
        self._hurry.set()
        self._hurry = asyncio.Event()

    def look_now(self) -> None:
        """Look at once for what is due, and try what waits for another attempt."""
        self._drained.clear()
        self.hurry()

    async def due_tried(self) -> None:
        """Return when all that is due now has been tried once, whatever came of it.

        For ever if `run` does not, or if a target takes for ever.
        """
        now_ms = self._clock.now_ms()
        self.hurry()
        for engine in await self._live_engines():
            while self._looked_ms[engine] < now_ms:
                await self._looked.wait()

    async def run(self) -> None:
        """Keep one worker for each engine with live leases; never returns."""
        self._store.subscribe(self._wake.set)
        async with asyncio.TaskGroup() as group:
            workers: dict[str, asyncio.Task[None]] = {}
            while True:
                self._wake.clear()
                for name in await self._live_engines():
                    if name not in workers or workers[name].done():
                        task = group.create_task(self._serve(name), name=f"expiry {name}")
                        # A lease may come just when its worker has found none.
                        task.add_done_callback(lambda _: self._wake.set())
                        workers[name] = task
                await self._wake.wait()
                await self._rest(TICK_S if workers else 0)

    async def _live_engines(self) -> Sequence[str]:
        while True:
            try:
                return await self._store.live_engines()
            except LeaseholdError as trouble:
                logger.error("expiry cannot read the ledger: %s", trouble)
                await asyncio.sleep(TICK_S)

    async def _serve(self, engine: str) -> None:
        """End the leases of one engine until it has none."""
        with self._progress.of(engine):
            await self._serve_until_none(engine)

    async def _serve_until_none(self, engine: str) -> None:
        while True:
            began_ms = self._clock.now_ms()
            try:
                await reach("expiry.sweep")
                await self.sweep(engine)
                next_ms = await self._store.next_ms(engine)
                self._progress.note(engine)
            except LeaseholdError as trouble:
                logger.error("expiry of %s: %s", engine, trouble)
                self._progress.note(engine)
                next_ms = self._clock.now_ms() + int(TICK_S * 1000)
            except Exception:
                # The guard of this task: whatever is wrong with one round, leases must end.
                logger.exception("expiry of %s: a defect of leasehold", engine)
                next_ms = self._clock.now_ms() + int(TICK_S * 1000)
            # Where no lease is left none is due, whenever the look began.
            self._looked_ms[engine] = self._clock.now_ms() if next_ms is None else began_ms
            self._looked.set()
            self._looked = asyncio.Event()
            if next_ms is None:
                return
            left_s = (next_ms - self._clock.now_ms()) / 1000
            await self._rest(min(max(left_s, BUSY_S), TICK_S))

    async def _rest(self, seconds: float) -> None:
        """Wait, but no longer than until something is due that was not."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()

    async def sweep(self, engine: str) -> None:
        """Do all that is due for one engine now.

        Access ends first: many batches are taken away at the target before any of them is written
        down, since writing takes longer than removing. After a crash between the two the attempt is
        repeated.
        """
        if await self._is_back(engine) or engine not in self._drained:
            self._drained.add(engine)
            await self._drain(engine)
        pages = _Pages()
        while not pages.ended:
            batches: list[Batch] = []
            lanes = (self._take_away(engine, pages, batches) for _ in range(LANES))
            try:
                results: list[object] = [*await asyncio.gather(*lanes, return_exceptions=True)]
                for batch in batches:
                    await reach("expiry.taken")
                    results += await self._write_down(batch)
            finally:
                for batch in batches:
                    self._remover.claims.give(batch.leases)
            for result in results:
                if isinstance(result, BaseException):
                    raise result

    async def _take_away(self, engine: str, pages: "_Pages", batches: list[Batch]) -> None:
        while len(batches) < ROUND and (leases := await self._take_due(engine, pages)):
            batch = Batch(leases, self._clock.now_ms())
            batches.append(batch)
            await reach("expiry.selected")
            self._progress.note(engine)
            batch.away, there = await self._split(engine, batch.over)
            batch.abandoned = [lease for lease in there if lease.state is LeaseState.PENDING]
            batch.attempts = await self._remover.attempt(
                lease for lease in there if lease.state is not LeaseState.PENDING
            )

    async def _is_back(self, engine: str) -> bool:
        """Ask the targets that were away whether one of them is back."""
        away = self._away[engine]
        for target in away:
            with contextlib.suppress(EngineError):
                await target.ready()
        self._away[engine] = {target for target in away if target.breaker.is_open}
        return self._away[engine] != away

    async def _split(self, engine: str, leases: Sequence[Lease]) -> tuple[list[Lease], list[Lease]]:
        """Those of `leases` whose target counts as away, and the others."""
        away = set()
        for place, lease in {(lease.recipe_id, lease.target): lease for lease in leases}.items():
            with contextlib.suppress(LeaseholdError):  # the remover meets it again, and tells
                target, _ = await self._remover.place(lease)
                if target.breaker.is_open:
                    self._away[engine].add(target)
                    away.add(place)
        return (
            [lease for lease in leases if (lease.recipe_id, lease.target) in away],
            [lease for lease in leases if (lease.recipe_id, lease.target) not in away],
        )

    async def _take_due(self, engine: str, pages: "_Pages") -> list[Lease]:
        """The next due leases that nobody works on; empty when there are no more."""
        taken: list[Lease] = []
        async with pages.turning:
            while not taken and not pages.ended:
                with self._remover.claims.watch() as touched:
                    found = await self._store.due(engine, self._clock.now_ms(), BATCH, pages.last)
                taken = self._remover.claims.take(item for item in found if item.id not in touched)
                pages.ended = len(found) < BATCH
                pages.last = found[-1] if found else None
        return taken

    async def _write_down(self, batch: Batch) -> list[object]:
        """Write what became of a batch; what the ledger refuses of one kind keeps no other."""
        return [
            *await asyncio.gather(
                self._remover.settle(batch.attempts, Cause.TTL),
                self._revoke_abandoned(batch.abandoned, batch.now_ms),
                self._store.write_many([due.deferred(each, batch.now_ms) for each in batch.away]),
                self._store.write_many([due.warned(each, batch.now_ms) for each in batch.warned]),
                return_exceptions=True,
            )
        ]

    async def _revoke_abandoned(self, leases: Sequence[Lease], now_ms: int) -> None:
        changes = [due.abandoned(lease, now_ms) for lease in leases]
        written = await self._store.write_many(changes)
        await self._remover.remove([change.new for change in written])

    async def _take_stuck(self, engine: str) -> list[Lease]:
        with self._remover.claims.watch() as touched:
            stuck = await self._store.stuck(engine, self._clock.now_ms(), BATCH)
        return self._remover.claims.take(lease for lease in stuck if lease.id not in touched)

    async def _drain(self, engine: str) -> None:
        """Try all that waits for another attempt, each once."""
        tried: set[str] = set()
        while leases := await self._take_stuck(engine):
            fresh = [lease for lease in leases if lease.id not in tried]
            try:
                _, there = await self._split(engine, fresh)
                if there:
                    logger.info("%s: trying %d leases that waited", engine, len(there))
                    await self._remover.remove(there)
            finally:
                self._remover.claims.give(leases)
            tried.update(lease.id for lease in fresh)
            if not there:
                return


class _Pages:
    """How far the lanes of one sweep have read together."""

    def __init__(self) -> None:
        self.turning = asyncio.Lock()
        self.last: Lease | None = None
        self.ended = False
