"""Incidents on a world: the loop as steps, the routes as calls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fakes.clock import virtual_clock
from fakes.policy import OPERATOR, a_bundle
from fakes.world import World
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask
from leasehold.api.incidents import incident_handlers
from leasehold.model import Caller, LeaseState


class Emergency:
    """Made anew when its world has started again, as the daemon's is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.serve, self.response = incident_handlers(
            world.access,
            world.store,
            world.clock,
            world.engines,
            world.ending,
            world.freeze,
            world.background,
            world.worker.hurry,
        )

    async def step(self) -> None:
        """All that runs beside the requests, once."""
        await self.response.respond()
        await self._world.sweep()
        await self.response.respond()

    async def ask(
        self, name: str, incident: str = "", *, caller: Caller = OPERATOR, **fields: Any
    ) -> dict[str, Any]:
        """Call one of the routes."""
        reply = await getattr(self.serve, name)(Ask(caller, {"id": incident}, Fields(fields)))
        assert reply.body is not None
        data: dict[str, Any] = reply.body["data"]
        return data

    async def open(self, match: str, *, revoke: bool = False) -> dict[str, Any]:
        """Open an incident; by default it only freezes."""
        return await self.ask("open", match=match, reason="T-123", revoke=revoke)


@asynccontextmanager
async def emergency(
    tmp_path: Path, world_class: type[World] = World
) -> AsyncIterator[tuple[World, Emergency]]:
    """A world where nothing runs by itself."""
    async with world_class(tmp_path, virtual_clock(), a_bundle()) as world:
        yield world, Emergency(world)


async def live(world: World) -> list[tuple[str, str]]:
    """Identity and path of each lease that did not end."""
    leases = [it for it in await world.leases() if it.state is not LeaseState.REVOKED]
    return sorted((lease.identity, lease.path) for lease in leases)
