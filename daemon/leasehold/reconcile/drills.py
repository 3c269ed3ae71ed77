"""Drills of served roles, and the evidence of them.

One at a time on an engine. A role whose last drill failed degrades the daemon until one passes.
"""

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from leasehold.background import Background
from leasehold.bundle import EngineConfig, Role
from leasehold.clock import Clock
from leasehold.ending import Ending
from leasehold.engines.guarded import GuardedEngine
from leasehold.engines.registry import Engines
from leasehold.errors import EngineError, EngineTemporary, Invalid
from leasehold.leases.store import LeaseStore
from leasehold.model import Caller, Cause, LeaseState
from leasehold.reconcile import drill_records as records
from leasehold.reconcile.drill import IDENTITY, Drill, Outcome, Trial, operation_of
from leasehold.reconcile.drill_records import DrillResult, Place, Record, State
from leasehold.serving import Serving

logger = logging.getLogger(__name__)

POSTPONE_MS = 300_000
"""How long a drill on schedule waits for a target that is away."""
SCHEDULE = "schedule"
"""Who asks for a drill that nobody asks for."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A role's state; `path` is what it is asked for as."""

    path: str
    state: State


class Drills:
    """Makes drills, and knows how each role stands."""

    def __init__(
        self,
        *,
        serving: Serving,
        engines: Engines,
        store: LeaseStore,
        clock: Clock,
        ending: Ending,
        drill: Drill,
        background: Background,
    ) -> None:
        self._serving = serving
        self._engines = engines
        self._store = store
        self._clock = clock
        self._ending = ending
        self._drill = drill
        self._background = background
        self._states: dict[Place, State] = {}
        self._keeping = asyncio.Lock()
        self._lanes: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def start(self) -> None:
        """Read what is kept, and have the accounts of drills that a crash cut short taken away.

        To be called before the first request is taken.
        """
        self._states = records.states(await self._store.documents(records.KIND))
        for lease in await self._store.find(identities=[IDENTITY], states=[LeaseState.ACTIVE]):
            await self._ending.end(lease.id, Cause.CRASH, wait=False)

    async def drill(self, caller: Caller, path: str, by: str) -> Record:
        """Drill the served role at `path` now, since `by` asks for it.

        It goes on, and is kept, when the caller is gone. Raises Invalid for what is no role,
        Unavailable when leasehold cannot do it now.
        """
        place, operation = self._asked(path)
        return await self._background.finish(self._on_demand(place, operation, by, caller))

    async def _on_demand(self, place: Place, operation: str, by: str, caller: Caller) -> Record:
        config, role = self._role(place)
        async with self._lanes[config.name]:
            record = await self._make(place, operation, by, caller)
            if record.result is not DrillResult.SKIPPED:
                await self._keep(place, role, record, caller)
        return record

    async def when_due(self, place: Place) -> None:
        """Drill a role if its time has come. Raises LeaseholdError."""
        await self._background.finish(self._on_schedule(place))

    async def _on_schedule(self, place: Place) -> None:
        config, role = self._role(place)
        async with self._lanes[config.name]:
            # Somebody may have asked for one while we waited.
            due_ms = self._states.get(place, State()).due_ms
            if due_ms is None or due_ms > self._clock.now_ms():
                return
            record = await self._make(place, operation_of(self._engine(role)), SCHEDULE, None)
            if record.result is DrillResult.SKIPPED:
                logger.info("drill of %s waits: %s", record.path, record.message)
                await self._postpone(place)
            else:
                await self._keep(place, role, record, None)

    async def reckon(self) -> dict[Place, int]:
        """Bring what is kept in line with the served policy; returns when each role is due.

        What is kept of roles that are gone goes.
        """
        async with self._keeping:
            return await self._reckon()

    async def _reckon(self) -> dict[Place, int]:
        now_ms, served = self._clock.now_ms(), self._serving.current().bundle.roles
        wanted = {
            place: self._states.get(place, State()).reckoned(role.drill_every_s, now_ms, _dice())
            for place, role in served.items()
        }
        other = {
            place: state
            for place, state in wanted.items()
            if state != self._states.get(place, State())
        }
        gone = [place for place in self._states if place not in served]
        if other or gone:
            await self._store.keep(
                [
                    *(records.state_document(place, state) for place, state in other.items()),
                    *(document for place in gone for document in records.forgotten(place)),
                ]
            )
        self._states = {**self._states, **other}
        for place in gone:
            del self._states[place]
        return {place: state.due_ms for place, state in wanted.items() if state.due_ms is not None}

    def standings(self) -> list[Standing]:
        """Every served role that has a schedule or was drilled, by path."""
        found = []
        for place, role in self._serving.current().bundle.roles.items():
            state = self._states.get(place, State())
            if role.drill_every_s is not None or state.last is not None:
                path = state.last.path if state.last else self._path(place, self._engine(role))
                found.append(Standing(path, replace(state, every_s=role.drill_every_s)))
        return sorted(found, key=lambda standing: standing.path)

    async def history(self, path: str) -> Sequence[Record]:
        """The evidence of a served role, newest first. Raises Invalid."""
        place, _ = self._asked(path)
        self._role(place)
        return (await self._records(place))[::-1]

    def troubles(self) -> Iterator[str]:
        """A line for each served role whose last drill failed."""
        for standing in self.standings():
            last = standing.state.last
            if last is not None and last.result is DrillResult.FAILED:
                yield (
                    f"drill of {standing.path} failed: {last.message}; when that is mended, run"
                    f" leasehold drill {standing.path}"
                )

    async def _make(self, place: Place, operation: str, by: str, caller: Caller | None) -> Record:
        config, role = self._role(place)
        engine, started_ms = self._engine(role), self._clock.now_ms()
        trial = Trial(
            mount=config.mount,
            operation=operation,
            role=role,
            recipe=self._serving.recipe_of(config, role),
            engine=engine,
            generation=self._serving.current().number,
        )
        outcome, result = await self._tried(trial, caller)
        return Record(
            path=trial.path,
            engine=config.name,
            result=result,
            started_ms=started_ms,
            ms=outcome.ms,
            steps=outcome.steps,
            message=outcome.fault,
            account=outcome.account,
            lease_id=outcome.lease_id,
            target=engine.target_id if engine.state == "ready" else "",
            by=by,
            uid=None if caller is None else caller.local_uid,
        )

    async def _tried(self, trial: Trial, caller: Caller | None) -> tuple[Outcome, DrillResult]:
        try:
            await trial.engine.probe()
        except EngineTemporary as away:
            return Outcome(fault=away.reason), DrillResult.SKIPPED
        except EngineError as refusal:
            return Outcome(fault=refusal.reason), DrillResult.FAILED
        outcome = await self._drill.run(trial, caller)
        return outcome, DrillResult.PASSED if outcome.passed else DrillResult.FAILED

    async def _keep(self, place: Place, role: Role, record: Record, caller: Caller | None) -> None:
        every_s = role.drill_every_s
        due_ms = None
        if every_s is not None:
            due_ms = records.next_due(record.started_ms, every_s, _dice())
        state = State(due_ms=due_ms, every_s=every_s, last=record)
        async with self._keeping:
            evidence = [*(await self._records(place)), record]
            await self._store.keep(
                [records.state_document(place, state), records.history_document(place, evidence)],
                record.event(self._clock.now_ms(), caller),
            )
            self._states[place] = state
        if record.result is DrillResult.FAILED:
            logger.error("drill of %s failed: %s", record.path, record.message)

    async def _postpone(self, place: Place) -> None:
        async with self._keeping:
            due_ms = self._clock.now_ms() + POSTPONE_MS
            state = replace(self._states.get(place, State()), due_ms=due_ms)
            await self._store.keep([records.state_document(place, state)])
            self._states[place] = state

    async def _records(self, place: Place) -> list[Record]:
        name = records.document_name(place)
        return records.history(await self._store.document(records.HISTORY, name))

    def _asked(self, path: str) -> tuple[Place, str]:
        parts = path.strip("/").split("/")
        if len(parts) != 3:
            raise Invalid(f"role: found '{path[:80]}'; write a path such as database/creds/reader")
        mount, operation, name = parts
        _, role = self._role((mount, name))
        operations = self._engine(role).operations
        if operation not in operations:
            raise Invalid(f"{mount} offers {', '.join(sorted(operations))}, not {operation[:80]}")
        return (mount, name), operation

    def _role(self, place: Place) -> tuple[EngineConfig, Role]:
        bundle = self._serving.current().bundle
        role = bundle.roles.get(place)
        if role is None:
            raise Invalid(f"no role {place[1][:80]} is served at {place[0][:80]}")
        return bundle.engines[role.engine], role

    def _engine(self, role: Role) -> GuardedEngine:
        return self._engines.current(role.engine)

    @staticmethod
    def _path(place: Place, engine: GuardedEngine) -> str:
        mount, name = place
        return f"{mount}/{operation_of(engine)}/{name}"


def _dice() -> float:
    return secrets.randbelow(1000) / 1000
