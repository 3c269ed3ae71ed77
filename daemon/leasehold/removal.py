"""Taking accounts away: one attempt, and what its outcome means for the leases.

Whoever ends a lease (its holder, an operator, its TTL, a crash) hands it to `Remover.remove`. An
attempt is never the last one: what fails is given a later `next_ms`, and the expiry worker comes
back for ever. Nothing here counts down to giving up.
"""

import logging
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from leasehold.clock import Clock
from leasehold.engines.guarded import GuardedEngine
from leasehold.engines.registry import Engines
from leasehold.errors import (
    EngineError,
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    LeaseholdError,
    outcome_of,
)
from leasehold.failpoints import reach
from leasehold.leases import lifecycle
from leasehold.leases.claims import Claims
from leasehold.leases.hold import Hold
from leasehold.leases.store import Change, LeaseStore
from leasehold.model import Cause, Event, EventType, Lease, LeaseState, Recipe
from leasehold.plugin import Account, Removal, Stage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt for `lease` brought, and when.

    `settle_ms` is how long a late create may still arrive.
    """

    lease: Lease
    result: Removal | EngineError
    at_ms: int
    settle_ms: int = 0


class Remover:
    """Takes accounts away by the recipes that were frozen when they were made (rule W15)."""

    def __init__(
        self, store: LeaseStore, engines: Engines, clock: Clock, hold: Hold | None = None
    ) -> None:
        self.claims = Claims()
        self.hold = hold or Hold()
        self._store = store
        self._engines = engines
        self._clock = clock
        self._recipes: dict[str, Recipe] = {}

    async def remove(self, leases: Sequence[Lease], cause: Cause | None = None) -> list[Lease]:
        """Make one attempt for each lease; returns them as they stand in the ledger afterwards.

        The caller holds their claims and has read them since. Raises Unavailable when the ledger
        refuses the outcome; the attempt is then repeated, revoking being idempotent. In quarantine
        there is no attempt.
        """
        if self.hold.why:
            return list(leases)
        return await self.settle(await self.attempt(leases), cause)

    async def settle(self, attempts: Iterable[Attempt], cause: Cause | None = None) -> list[Lease]:
        """Write down what attempts brought; returns the leases as they stand then.

        A lease that was not ending yet ends for `cause`, and if the attempt succeeded that is a
        single write. Raises Unavailable.
        """
        written = await self._store.write_many([_change(made, cause) for made in attempts])
        await reach("revoke.written")
        return [change.new for change in written]

    async def abandoned(self) -> int:
        """Send every intent that a crash left behind to revoking (rule W5); returns how many.

        To be called before the first request is taken.
        """
        now_ms = self._clock.now_ms()
        changes = []
        for lease in await self._store.pending():
            new = lifecycle.revoke(lease, now_ms, Cause.CRASH, unproven=True)
            event = Event.new(EventType.ISSUE_FAILED, now_ms, new, why="the daemon died meanwhile")
            changes.append(Change(old=lease, new=new, events=(event,), may_delay_audit=True))
        await reach("recover.read")
        abandoned = await self._store.write_many(changes)
        await reach("recover.written")
        return len(abandoned)

    def forget(self, live: Collection[str]) -> None:
        """Drop the recipes that no live lease needs from memory; `live` holds the ids to keep."""
        self._recipes = {key: kept for key, kept in self._recipes.items() if key in live}

    async def attempt(self, leases: Iterable[Lease]) -> list[Attempt]:
        """Try to take the accounts of `leases` away; nothing is written yet."""
        attempts: list[Attempt] = []
        alike: dict[tuple[str, str], list[Lease]] = defaultdict(list)
        for lease in leases:
            alike[lease.recipe_id, lease.target].append(lease)
        groups: dict[GuardedEngine, list[tuple[Lease, Account]]] = defaultdict(list)
        for members in alike.values():
            try:
                engine, recipe = await self._reach(members[0])
            except LeaseholdError as error:
                nowhere = EnginePermanent(str(error), error_class=ErrorClass.INVALID)
                now_ms = self._clock.now_ms()
                attempts += [Attempt(lease, nowhere, now_ms) for lease in members]
                continue
            groups[engine] += [(lease, account_of(lease, recipe)) for lease in members]
        for engine, placed in groups.items():
            results: Sequence[Removal | EngineError]
            try:
                results = await engine.revoke_many([account for _, account in placed])
            except EngineError as error:
                results = [error] * len(placed)
            now_ms, settle_ms = self._clock.now_ms(), int(engine.statement_timeout_s * 2_000)
            attempts += [
                Attempt(lease, result, now_ms, settle_ms)
                for (lease, _), result in zip(placed, results, strict=True)
            ]
        await reach("revoke.removed")
        return attempts

    async def place(self, lease: Lease) -> tuple[GuardedEngine, Account]:
        """Where the account of `lease` stands: the engine to reach it with, and the account.

        Raises NotFound or Unavailable when its recipe cannot be read, ConfigError when no engine
        can be made of it.
        """
        engine, recipe = await self._reach(lease)
        return engine, account_of(lease, recipe)

    async def _reach(self, lease: Lease) -> tuple[GuardedEngine, Recipe]:
        recipe = self._recipes.get(lease.recipe_id)
        if recipe is None:
            recipe = self._recipes[lease.recipe_id] = await self._store.recipe(lease.recipe_id)
        return self._engines.for_lease(recipe, lease.target), recipe


def account_of(lease: Lease, recipe: Recipe) -> Account:
    """The account of `lease`, as its engine wants to see it."""
    return Account(name=lease.account, target=lease.target, role=recipe.role, handle=lease.handle)


def _change(made: Attempt, cause: Cause | None) -> Change:
    old, result, now_ms = made.lease, made.result, made.at_ms
    lease = old
    jitter = secrets.randbelow(1000) / 1000
    if old.state not in lifecycle.ENDING:
        lease = lifecycle.revoke(old, now_ms, cause or Cause.TTL)
    if isinstance(result, EngineError):
        away = isinstance(result, EngineTemporary)
        new = lifecycle.fail(lease, now_ms, result.reason, jitter, target_away=away)
        kind = EventType.ATTEMPT_FAILED
    elif result.stage is Stage.REMOVED and (again_ms := _second_look_ms(lease, made)):
        new = lifecycle.disable(lease, again_ms, lifecycle.SECOND_LOOK)
        kind = EventType.DISABLED
    elif result.stage is Stage.REMOVED:
        new = lifecycle.end(lease, now_ms)
        kind = EventType.EXPIRED if new.cause is Cause.TTL else EventType.REVOKED
    elif lease.state is LeaseState.DISABLED:
        new = lifecycle.fail(lease, now_ms, result.residue, jitter)
        kind = EventType.ATTEMPT_FAILED
    else:
        new = lifecycle.disable(lease, now_ms + lifecycle.BACKOFF_FIRST_MS, result.residue)
        kind = EventType.DISABLED
    outcome = outcome_of(result) if isinstance(result, EngineError) else {"outcome": result.stage}
    events = [
        Event.new(
            kind,
            now_ms,
            new,
            why=new.last_error or _note(old, result),
            attempt=str(old.attempts + 1),
            target=old.target,
            **outcome,
        )
    ]
    if is_overdue(new, now_ms) and new.last_error != lifecycle.SECOND_LOOK:
        new = lifecycle.mark_overdue(new)
        events.append(Event.new(EventType.OVERDUE, now_ms, new))
    return Change(old=old, new=new, events=tuple(events), may_delay_audit=True)


def _note(lease: Lease, result: Removal | EngineError) -> str:
    """What the attempt came upon; of a later one it would tell only what the first left."""
    return result.note if isinstance(result, Removal) and not lease.attempts else ""


def _second_look_ms(lease: Lease, made: Attempt) -> int | None:
    """When to look again for a create that may still arrive; None when that look was now."""
    if not lease.unproven:
        return None
    if lease.state is LeaseState.REVOKING:
        return made.at_ms + made.settle_ms
    # Somebody asked before the second look was due.
    return lease.next_ms if lease.next_ms is not None and made.at_ms < lease.next_ms else None


def is_overdue(lease: Lease, now_ms: int) -> bool:
    """Whether the account stands too long after the lease's deadline, and nobody was told yet."""
    late = now_ms - lease.expires_ms > lifecycle.OVERDUE_MS
    return late and not lease.overdue and lease.state is not LeaseState.REVOKED
