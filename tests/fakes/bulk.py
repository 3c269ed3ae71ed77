"""Bulk revocation on a world: its loops as steps, its routes as calls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fakes.clock import virtual_clock
from fakes.policy import OPERATOR, a_bundle
from fakes.watch import Watch
from fakes.world import World
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask
from leasehold.api.irrevocable import IrrevocableHandlers
from leasehold.api.replies import Reply
from leasehold.api.revocations import REVOCATION, RevocationHandlers
from leasehold.model import Caller, LeaseState
from leasehold.reconcile.forcing import Forcing
from leasehold.reconcile.revocations import Revocations


class Bulk:
    """Made anew when its world has started again, as the daemon's is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.watch = Watch(world)
        self.forcing = Forcing(
            world.store, world.clock, world.remover, self.watch.drift, world.book
        )
        self.revocations = Revocations(
            world.access,
            world.store,
            world.clock,
            world.book,
            world.background,
            world.enforcer.wake,
            self.forcing.wake,
        )
        self.many = RevocationHandlers(self.revocations, world.clock)
        self.stuck = IrrevocableHandlers(world.access, world.inspection, world.worker.look_now)

    async def step(self) -> None:
        """All that runs beside the requests, once."""
        await self._world.enforcer.carry_out()
        await self._world.sweep()
        await self.forcing.force()
        await self._world.enforcer.carry_out()

    async def revoke(
        self, prefix: str, *, caller: Caller = OPERATOR, force: bool = False, **fields: Any
    ) -> Reply:
        """Order it; by default without waiting."""
        serve = self.many.revoke_force if force else self.many.revoke_prefix
        return await serve(Ask(caller, {"prefix": prefix}, Fields({"sync": False, **fields})))

    async def shown(self, reply: Reply, caller: Caller = OPERATOR) -> dict[str, Any]:
        """How the order that `reply` is about has come on."""
        ask = Ask(caller, {"id": reply.headers[REVOCATION]}, Fields({}))
        found = await self.many.revocation(ask)
        assert found.body is not None
        data: dict[str, Any] = found.body["data"]
        return data


@asynccontextmanager
async def bulk(tmp_path: Path, **changes: Any) -> AsyncIterator[tuple[World, Bulk]]:
    """A world where nothing runs by itself, under a bundle with these changes."""
    async with World(tmp_path, virtual_clock(), a_bundle(**changes)) as world:
        yield world, Bulk(world)


async def live(world: World) -> dict[str, LeaseState]:
    """The paths of leases that did not end."""
    leases = await world.leases()
    return {lease.path: lease.state for lease in leases if lease.state is not LeaseState.REVOKED}
