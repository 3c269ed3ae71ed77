"""What replaces leases, over a world."""

from fakes.world import World
from leasehold.replacing import Replacing


def replacing_of(world: World) -> Replacing:
    return Replacing(
        world.access, world.issuance, world.store, world.remover, world.ending, world.background
    )
