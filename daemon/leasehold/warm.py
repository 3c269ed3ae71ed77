"""Accounts that were made ahead: who asks gets one at once, and the target is not touched.

Each has a lease of its own from its birth, for an identity that no policy can name, so one that is
not used ends by itself as every account does. Its credential is held in memory only. Handing it
over makes the lease the caller's in one write to the ledger, with a full life; the target is told
only where its own end of the account would come before the lease's. What is not on the shelf is
made as if there were none.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from leasehold.clock import Clock
from leasehold.creation import Creation, Made, Order
from leasehold.ending import Ending, target_expiry
from leasehold.errors import Conflict, EnginePermanent, TargetChanged
from leasehold.failpoints import reach
from leasehold.leases import lifecycle
from leasehold.leases.store import Change, LeaseStore
from leasehold.model import Cause, Event, EventType, Lease, LeaseState
from leasehold.removal import Remover, account_of

logger = logging.getLogger(__name__)

IDENTITY = "leasehold:warm"
"""Whose the leases of unused accounts are; names in a policy have no colon."""
OWNER = TENANT = "leasehold"
NEAR_MS = 5_000
"""An account this near its end is handed to nobody: the expiry worker may be at it."""

Place = tuple[str, str, str]
"""Mount, operation and role."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An account that nobody has yet, as it was ordered; the target itself ends it at `until`."""

    order: Order
    made: Made
    until: datetime

    def serves(self, order: Order, now_ms: int) -> bool:
        """Whether it is what would be made for `order` now."""
        mine, lease = self.order, self.made.lease
        return (
            (mine.role, mine.recipe.id) == (order.role, order.recipe.id)
            and lease.target == order.engine.target_id
            and lease.expires_ms - now_ms > NEAR_MS
            and (order.engine.renewable or order.ttl_s <= mine.outlast_s)
        )


class Warm:
    """The shelves, one a role. `ends` says whether a standing order has a lease end."""

    def __init__(
        self,
        *,
        store: LeaseStore,
        clock: Clock,
        remover: Remover,
        creation: Creation,
        ending: Ending,
        ends: Callable[[Lease], bool],
    ) -> None:
        self._store = store
        self._clock = clock
        self._remover = remover
        self._creation = creation
        self._ending = ending
        self._ends = ends
        self._shelves: defaultdict[Place, deque[Waiting]] = defaultdict(deque)
        self._wake: Callable[[], None] = lambda: None

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Call `wake` when an account was taken, or could have been."""
        self._wake = wake

    def standing(self) -> Mapping[Place, int]:
        """How many accounts wait, by role."""
        return {place: len(shelf) for place, shelf in self._shelves.items() if shelf}

    def waiting(self, place: Place) -> Iterator[Waiting]:
        """The accounts of a role that wait, the oldest first."""
        return iter(tuple(self._shelves.get(place, ())))

    def put(self, place: Place, waiting: Waiting) -> None:
        """Put a new account on the shelf."""
        self._shelves[place].append(waiting)

    async def drop(self, place: Place, waiting: Waiting) -> None:
        """Take an account off the shelf and end it. Raises Unavailable."""
        if waiting in self._shelves[place]:
            self._shelves[place].remove(waiting)
            await self._ending.end(waiting.made.lease.id, Cause.UNUSED)

    async def make(self, order: Order, last_check: Callable[[Lease], None]) -> Made:
        """An account from the shelf, or a new one; see `Creation.make` for the rest."""
        place = (order.mount, order.operation, order.role.name)
        while (waiting := self._take(place, order)) is not None:
            try:
                made = await self._hand_over(waiting, order, last_check)
            except (EnginePermanent, TargetChanged) as trouble:
                logger.info("%s: not handed over: %s", waiting.made.lease.id, trouble)
                await self._ending.end(waiting.made.lease.id, Cause.UNUSED, wait=False)
            except BaseException:  # such as a quota of the caller's: somebody else may have it
                self._shelves[place].appendleft(waiting)
                raise
            else:
                if made is not None:
                    return made
        return await self._creation.make(order, last_check)

    def _take(self, place: Place, order: Order) -> Waiting | None:
        """The oldest account that serves, off its shelf."""
        if order.role.warm is None:
            return None
        self._wake()
        now_ms, shelf = self._clock.now_ms(), self._shelves[place]
        found = next((each for each in shelf if each.serves(order, now_ms)), None)
        if found is not None:
            shelf.remove(found)
        return found

    async def _hand_over(
        self, waiting: Waiting, order: Order, last_check: Callable[[Lease], None]
    ) -> Made | None:
        """Make the lease the caller's; None when it has come to an end meanwhile.

        The target first, the ledger second, as at a renewal: a crash between them leaves an unused
        account, which is revoked at the next start.
        """
        async with self._remover.claims.of(waiting.made.lease.id):
            lease, now_ms = await self._store.get(waiting.made.lease.id), self._clock.now_ms()
            if lease is None or lease.state is not LeaseState.ACTIVE or self._ends(lease):
                return None
            new = lifecycle.hand_over(
                lease,
                now_ms,
                ttl_ms=order.ttl_s * 1000,
                max_ttl_ms=order.max_ttl_s * 1000,
                identity=order.identity,
                owner=order.owner,
                tenant=order.tenant,
                generation=order.generation,
                holder=order.holder,
                replaces=order.replaces,
                labels=order.labels,
            )
            until = target_expiry(self._clock, new.expires_ms)
            if until > waiting.until:
                await order.engine.renew(account_of(lease, waiting.order.recipe), until)
            await reach("warm.moved")
            last_check(new)
            told = {"target": new.target, "outcome": "warm"}
            events = (
                Event.new(EventType.INTENDED, now_ms, new, caller=order.caller, **order.grounds),
                Event.new(EventType.ISSUED, now_ms, new, caller=order.caller, **told),
            )
            try:
                await self._store.write(
                    Change(old=lease, new=new, events=events, limits=order.limits)
                )
            except Conflict:
                return None
            await reach("warm.handed")
        return Made(new, waiting.made.issued, waiting.made.ready_ms)
