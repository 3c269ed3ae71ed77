"""How many clients each server takes, and how many it has, whoever they are."""

from collections.abc import Sequence

from leasehold.plugin import Ceiling
from leasehold_plugins.redis.lookout import Member
from leasehold_plugins.redis.looks import facts
from leasehold_plugins.redis.nodes import Lane, Session
from leasehold_plugins.redis.nodeset import NodeSet, all_of


async def measure(nodes: NodeSet, members: Sequence[Member]) -> list[Ceiling]:
    """The ceiling of the server that is nearest to its own. Raises EngineError."""

    async def work(session: Session) -> tuple[int, int, str]:
        info = facts(await session.ask("INFO", "clients"))
        return int(info["connected_clients"]), int(info["maxclients"]), session.where

    counted = all_of(await nodes.each(members, Lane.REVOKING, work))
    used, most, where = max(counted, key=lambda its: its[0] / its[1])
    return [
        Ceiling(
            name="clients",
            used=used,
            most=most,
            remedy=f"raise maxclients at {where}, or have clients share connections",
        )
    ]
