"""The states of static roles are kept whoever comes first, and however slow the store is."""

import asyncio
from pathlib import Path
from typing import Any

from component.test_static_roles import SINGLE, a_world, read, role
from fakes.clock import on_virtual_time
from fakes.ledger import Ledger
from fakes.policy import HOLDER, OPERATOR, STRANGER
from fakes.rotating import Rotating


class Hesitant(Ledger):
    """Each time that the states are read takes longer than the last."""

    reads = 0

    async def documents(self, kind: str) -> Any:
        found = await self.__getattr__("documents")(kind)
        if kind == "static-role":
            self.reads += 1
            await asyncio.sleep(self.reads)
        return found


@on_virtual_time
async def test_who_reads_while_the_states_are_read_is_remembered(tmp_path: Path) -> None:
    world = a_world(tmp_path, role("billing", "billing_app"))
    world.ledger_class = Hesitant
    async with world:
        await Rotating(world).rotations.static.rotate(OPERATOR, *SINGLE, force=False)
        await world.crash()
        await world.start()
        rotating = Rotating(world)
        await asyncio.gather(*(read(rotating, SINGLE, each) for each in (HOLDER, STRANGER)))
        [standing] = await rotating.rotations.static.standings()
        assert standing.state.waiting_for == ["holder", "stranger"]
