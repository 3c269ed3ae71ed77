"""Whoever is at work is never taken for an orphan or a ghost, whatever happens at the same time."""

import asyncio
import inspect
import random
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.clock import FakeClock, VirtualLoop
from fakes.engine import FakeEngine, Fault
from fakes.ledger import Ledger
from fakes.policy import HOLDER, OPERATOR
from fakes.watch import Watch
from fakes.world import World
from leasehold.errors import LeaseholdError
from leasehold.issuance import IssuedLease

PATHS = ("database/creds/reader", "database/creds/brief", "cache/creds/user")
PAUSES_S = (0, 0, 0, 0.001, 0.02, 0.3, 1.2)
FAULTS = (None, None, None, None, Fault.BEFORE, Fault.AFTER, Fault.REFUSED, Fault.LATE)
LIVES = 12


class SlowWorld(World):
    """Every call to a target and to the ledger takes a while, before and after its effect."""

    def __init__(self, folder: Path, clock: FakeClock, dice: random.Random) -> None:
        super().__init__(folder, clock)

        async def pause() -> None:
            await asyncio.sleep(dice.choice(PAUSES_S))

        class SlowEngine(FakeEngine):
            async def _call(self, verb: str, work: Any = lambda: None) -> Fault | None:
                await pause()
                fault = await super()._call(verb, work)
                await pause()
                return fault

        class SlowLedger(Ledger):
            def __getattr__(self, name: str) -> Any:
                member = super().__getattr__(name)
                if not inspect.iscoroutinefunction(member):
                    return member

                async def call(*args: Any, **kwargs: Any) -> Any:
                    await pause()
                    result = await member(*args, **kwargs)
                    await pause()
                    return result

                return call

        self.engine_class, self.ledger_class = SlowEngine, SlowLedger


async def live(world: World, dice: random.Random) -> None:
    """One lease, from a request to its end, with all that may go wrong."""
    await asyncio.sleep(dice.uniform(0, 10))
    for target in world.targets.values():
        target.fail("issue", dice.choice(FAULTS))
        target.fail("revoke", dice.choice(FAULTS[:-1]))
    issuing = asyncio.create_task(world.issue(dice.choice(PATHS), ttl_s=dice.randint(1, 20)))
    if dice.random() < 0.2:
        await asyncio.sleep(dice.uniform(0, 3))
        issuing.cancel()
    [issued] = await asyncio.gather(issuing, return_exceptions=True)
    if not isinstance(issued, IssuedLease):
        return
    for _ in range(dice.randint(0, 2)):
        await asyncio.sleep(dice.uniform(0, 4))
        await quietly(world.issuance.renew(HOLDER, issued.lease.id, dice.randint(1, 20)))
    if dice.random() < 0.6:
        await asyncio.sleep(dice.uniform(0, 4))
        await quietly(world.issuance.revoke(OPERATOR, issued.lease.id))


async def quietly(work: Any) -> None:
    await asyncio.gather(work, return_exceptions=True)


async def story(folder: Path, dice: random.Random) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    world = SlowWorld(folder, loop.clock, dice)
    for _ in range(dice.randint(1, 2)):
        await world.start()
        watch = Watch(world)
        worker = asyncio.create_task(world.worker.run())
        lives = [asyncio.create_task(live(world, dice)) for _ in range(LIVES)]
        while not all(each.done() for each in lives):
            for _, about in await looked(watch):
                assert about.startswith("engine:"), "a ghost"
                assert "/" not in about, "an orphan"
            await asyncio.sleep(dice.uniform(0, 2))
        for each in (*lives, worker):
            each.cancel()
        await asyncio.gather(*lives, worker, return_exceptions=True)
        await world.crash()
    await world.start()
    assert not any("/" in about for _, about in await looked(Watch(world)))
    for target in world.targets.values():
        target.faults.clear()  # or one lease meets what is left of all, for longer than is waited
    await world.settle()
    assert await Watch(world).look() == []
    await world.crash()


async def looked(watch: Watch) -> list[tuple[str, str]]:
    try:
        return await watch.look()
    except LeaseholdError:
        return []


@settings(max_examples=25)
@given(st.integers(0, 1 << 32))
def test_leases_in_flight_are_neither_orphans_nor_ghosts(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        loop = VirtualLoop(FakeClock())
        try:
            loop.run_until_complete(story(Path(folder), random.Random(seed)))
        finally:
            loop.close()
