"""Keeps the shelves of `warm.py` as full as the policy wants them, and of nothing else.

One account at a time is made on an engine, and none while a limit, a ceiling or an incident stands
against it: callers come first. What the policy, an incident or age has overtaken leaves the shelf
and ends. A credential lives in memory only, so what a daemon before this one had made ahead is
revoked at the start.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from leasehold.admission.admission import Admission
from leasehold.bundle import EngineConfig, Generation, Identity, Role
from leasehold.clock import Clock
from leasehold.creation import Creation, Order
from leasehold.ending import Ending, target_expiry
from leasehold.engines.registry import Engines
from leasehold.errors import Frozen, LeaseholdError, LimitReached
from leasehold.leases.freeze import Freeze
from leasehold.leases.matching import facts_of
from leasehold.leases.store import LeaseStore
from leasehold.loops import all_of
from leasehold.model import Cause, EventType, Lease, LeaseState, Recipe
from leasehold.quota import Kind
from leasehold.warm import IDENTITY, OWNER, TENANT, Place, Waiting, Warm

logger = logging.getLogger(__name__)

LOOK_S = 2.0
"""How often a shelf is looked at that nobody takes from: after a change of policy, or of time."""
FIRST_REST_S, LONGEST_REST_S = 2.0, 300.0
PAGE = 500
FRESH = 0.3
"""An account with less of its life than this is replaced; its holders would be warned at 0.2."""
_NOBODY = Identity(name=IDENTITY, owner=OWNER, tenant=TENANT, match=())
_OF_CALLERS = (Kind.IDENTITY, Kind.TENANT)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """A role that wants accounts made ahead, as it is served now."""

    place: Place
    role: Role
    config: EngineConfig


@dataclass(slots=True)
class _Rest:
    """An engine that failed: left alone until `until_s`, and longer each time."""

    until_s: float
    pause_s: float


class Warming:
    """Fills and clears shelves. `operations` has what each engine type offers."""

    def __init__(
        self,
        *,
        warm: Warm,
        generation: Callable[[], Generation],
        operations: Mapping[str, frozenset[str]],
        engines: Engines,
        admission: Admission,
        creation: Creation,
        ending: Ending,
        freeze: Freeze,
        store: LeaseStore,
        clock: Clock,
        recipe_of: Callable[[EngineConfig, Role], Recipe],
    ) -> None:
        self._warm = warm
        self._generation = generation
        self._operations = operations
        self._engines = engines
        self._admission = admission
        self._creation = creation
        self._ending = ending
        self._freeze = freeze
        self._store = store
        self._clock = clock
        self._recipe_of = recipe_of
        self._wanted = asyncio.Event()
        self._rests: dict[str, _Rest] = {}
        warm.subscribe(self._wanted.set)

    async def run(self) -> NoReturn:
        """Keep the shelves full; never returns."""
        clean = False
        while True:
            self._wanted.clear()
            clean = clean or await self.forget_what_was_forgotten()
            if clean:
                await self.round()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wanted.wait()

    async def round(self) -> None:
        """Clear what is not wanted any more, and make what is missing."""
        shelves = [*self._shelves()]
        by_engine: defaultdict[str, list[_Shelf]] = defaultdict(list)
        for shelf in shelves:
            by_engine[shelf.config.name].append(shelf)
        try:
            await self._clear({shelf.place: shelf for shelf in shelves})
        except LeaseholdError as trouble:
            logger.warning("accounts that were made ahead do not end yet: %s", trouble)
        await all_of(self._fill_engine(name, mine) for name, mine in by_engine.items())

    async def forget_what_was_forgotten(self) -> bool:
        """End what a daemon before this one made ahead, whose passwords are lost; False if not yet.

        To be called before the first round.
        """
        try:
            while (await self._store.live(Kind.IDENTITY)).get(IDENTITY):
                left = await self._store.find(
                    identities=[IDENTITY], states=[LeaseState.ACTIVE], limit=PAGE
                )
                if not left:
                    return True
                logger.info("%d accounts were made ahead for nobody; they end", len(left))
                await self._ending.begin(left, Cause.UNUSED, self._clock.now_ms())
        except LeaseholdError as trouble:
            logger.warning("accounts that were made ahead cannot be ended yet: %s", trouble)
            return False
        return True

    def _shelves(self) -> Sequence[_Shelf]:
        bundle = self._generation().bundle
        found = []
        for (mount, name), role in bundle.roles.items():
            if role.warm is not None:
                config = bundle.engines[role.engine]
                found += [
                    _Shelf((mount, operation, name), role, config)
                    for operation in sorted(self._operations[config.type])
                ]
        return found

    async def _clear(self, wanted: Mapping[Place, _Shelf]) -> None:
        """End what no caller would be given: of another role, frozen, at its end, or revoked."""
        revoked = await self._some_were_revoked()
        for place in self._warm.standing():
            shelf = wanted.get(place)
            for waiting in self._warm.waiting(place):
                if (
                    shelf is None
                    or not self._serves(shelf, waiting)
                    or (revoked and not await self._is_active(waiting))
                ):
                    await self._warm.drop(place, waiting)

    async def _some_were_revoked(self) -> bool:
        """Whether the ledger has fewer than wait here; looking each one up takes long."""
        standing = sum(self._warm.standing().values())
        return standing > (await self._store.live(Kind.IDENTITY)).get(IDENTITY, 0)

    async def _is_active(self, waiting: Waiting) -> bool:
        lease = await self._store.get(waiting.made.lease.id)
        return lease is not None and lease.state is LeaseState.ACTIVE

    def _serves(self, shelf: _Shelf, waiting: Waiting) -> bool:
        lease = waiting.made.lease
        try:
            self._check_freeze(lease)
            order = self._order(shelf)
        except LeaseholdError:
            return False
        return waiting.serves(order, self._clock.now_ms())

    async def _fill_engine(self, engine: str, shelves: Sequence[_Shelf]) -> None:
        now_s, rest = asyncio.get_running_loop().time(), self._rests.get(engine)
        if self._clock.suspect or (rest is not None and now_s < rest.until_s):
            return
        try:
            for shelf in shelves:
                await self._fill(shelf)
        except (LimitReached, Frozen):
            return  # callers meet the same, and are told
        except LeaseholdError as trouble:
            pause_s = FIRST_REST_S if rest is None else min(2 * rest.pause_s, LONGEST_REST_S)
            now_s = asyncio.get_running_loop().time()
            self._rests[engine] = _Rest(now_s + pause_s, pause_s)
            logger.warning("%s: no account is made ahead for %g s: %s", engine, pause_s, trouble)
        except Exception:
            # The guard of this task: whatever is wrong with one engine, the others are served.
            logger.exception("%s: no account is made ahead: a defect of leasehold", engine)
        else:
            self._rests.pop(engine, None)

    async def _fill(self, shelf: _Shelf) -> None:
        """Make accounts until enough are fresh; each puts the oldest out where there are more."""
        warm = shelf.role.warm
        while warm is not None and self._fresh(shelf) < warm.accounts:
            if self._generation().bundle.roles.get((shelf.place[0], shelf.place[2])) != shelf.role:
                return
            await self._engines.current(shelf.config.name).ready()
            order = self._order(shelf)
            self._admission.ceilings.check(shelf.config.name, shelf.role.name)
            made = await self._creation.make(order, self._check_freeze)
            until = target_expiry(self._clock, made.lease.expires_ms + order.outlast_s * 1000)
            self._warm.put(shelf.place, Waiting(order, made, until))
            standing = [*self._warm.waiting(shelf.place)]
            if len(standing) > warm.accounts:
                await self._warm.drop(shelf.place, standing[0])

    def _check_freeze(self, lease: Lease) -> None:
        self._freeze.check(facts_of(lease))

    def _fresh(self, shelf: _Shelf) -> int:
        now_ms = self._clock.now_ms()
        leases = [waiting.made.lease for waiting in self._warm.waiting(shelf.place)]
        return sum(_is_fresh(lease, now_ms) for lease in leases)

    def _order(self, shelf: _Shelf) -> Order:
        """Limits of role, mount and engine count unused accounts too; those of callers do not."""
        mount, operation, _ = shelf.place
        role, config = shelf.role, shelf.config
        kept_s = role.warm.kept_s if role.warm is not None else 0
        limits = self._admission.limits(config, role, _NOBODY)
        return Order(
            mount=mount,
            operation=operation,
            role=role,
            recipe=self._recipe_of(config, role),
            engine=self._engines.current(config.name),
            identity=IDENTITY,
            owner=OWNER,
            tenant=TENANT,
            ttl_s=kept_s,
            max_ttl_s=kept_s,
            generation=self._generation().number,
            limits={kind: most for kind, most in limits.items() if kind not in _OF_CALLERS},
            grounds={"rule": "warm"},
            outlast_s=role.default_ttl_s,
            tells=EventType.WARMED,
        )


def _is_fresh(lease: Lease, now_ms: int) -> bool:
    return lease.expires_ms - now_ms > FRESH * lease.ttl_ms
