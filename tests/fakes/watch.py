"""The watch over drift and orphans, on a world."""

from collections.abc import Callable

from fakes.world import KEY, World
from leasehold.leases.names import AccountNames
from leasehold.model import Event, EventType
from leasehold.reconcile.drift import Drift
from leasehold.reconcile.orphan_removal import OrphanRemoval
from leasehold.reconcile.orphans import AccountLook

TELLING = frozenset(
    {
        EventType.DRIFT_FOUND,
        EventType.DRIFT_CLEARED,
        EventType.ORPHAN_FOUND,
        EventType.ORPHAN_CLEARED,
        EventType.ORPHAN_REMOVED,
    }
)


class Watch:
    """Made anew when its world has started again, as the daemon's is."""

    def __init__(self, world: World, *, policy_trouble: Callable[[], str] = lambda: "") -> None:
        self._world = world
        self.names = AccountNames(world.store.deployment_id, KEY.derive("account tag"))

        async def trouble() -> str:
            return policy_trouble()

        self.drift = Drift(
            generation=lambda: world.generation,
            policy_trouble=trouble,
            engines=world.engines,
            store=world.store,
            clock=world.clock,
            accounts=AccountLook(world.store, world.clock, self.names),
            every_s=300,
        )
        self.removal = OrphanRemoval(self.drift, world.engines, world.store, world.clock)

    async def look(self) -> list[tuple[str, str]]:
        """What stands after a look: what, and about what."""
        return [(finding.what, finding.about) for finding in await self.drift.look()]

    async def told(self) -> list[Event]:
        """Every event of a finding that subscribers would hear, in order."""
        async with self._world.store.alone() as store:
            entries = await store.outbox(100_000)
        return [entry.event for entry in entries if entry.event.type in TELLING]

    async def told_types(self) -> list[EventType]:
        return [event.type for event in await self.told()]


def by_hand(world: World, *names: str) -> None:
    """Make accounts behind the daemon's back."""
    expires_at = world.clock.wall(world.clock.now_ms() + 3_600_000)
    for name in names:
        world.target.make(name, expires_at)
