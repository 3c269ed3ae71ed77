"""A world with accounts that were made ahead."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fakes.clock import virtual_clock
from fakes.engine import FakeEngine
from fakes.policy import a_bundle, roles_with
from fakes.world import World
from leasehold.bundle import Bundle
from leasehold.handing import WarmPool
from leasehold.model import Lease, LeaseState
from leasehold.warm import IDENTITY
from leasehold.warming import Warming

TWO = WarmPool(accounts=2, kept_s=600)


def warming_of(world: World) -> Warming:
    return Warming(
        warm=world.warm,
        generation=lambda: world.generation,
        operations={"fake": FakeEngine.operations},
        engines=world.engines,
        admission=world.admission,
        creation=world.creation,
        ending=world.ending,
        freeze=world.freeze,
        store=world.store,
        clock=world.clock,
        recipe_of=world._recipe_of,
    )


def a_policy(pool: WarmPool | None = TWO, **changes: Any) -> Bundle:
    role = changes.pop("role", {})
    return a_bundle(roles=roles_with("reader", warm=pool, **role), **changes)


@asynccontextmanager
async def warmed(folder: Path, **changes: Any) -> AsyncIterator[tuple[World, Warming]]:
    """A world whose shelf has been filled once."""
    async with World(folder, virtual_clock(), a_policy(**changes)) as world:
        warming = warming_of(world)
        await warming.round()
        yield world, warming


async def unused(world: World) -> list[Lease]:
    """Leases of accounts that nobody has."""
    found = await world.leases()
    return [it for it in found if it.identity == IDENTITY and it.state is LeaseState.ACTIVE]
