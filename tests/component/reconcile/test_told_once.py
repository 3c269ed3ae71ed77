"""A finding is told once when it begins and once when it is over, wherever the daemon dies."""

import asyncio
import tempfile
from collections import defaultdict
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.clock import FakeClock, VirtualLoop
from fakes.watch import Watch, by_hand
from fakes.world import World
from leasehold.errors import LeaseholdError
from leasehold.leases.names import new_lease_id

MOST_STEPS = 90
"""More than a look takes."""
actions = st.one_of(
    st.tuples(st.just("account"), st.integers(0, 3)),
    st.tuples(st.just("right"), st.integers(0, 2)),
    st.tuples(st.just("away"), st.booleans()),
    st.tuples(st.just("look"), st.none() | st.integers(0, 80)),
)


class Told:
    """A world in which things come and go, and a watch that may die in the middle of a look."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.world = World(folder, clock)
        self.accounts: list[str] = []

    async def run(self, history: list[tuple[str, int | bool | None]]) -> None:
        await self.world.start()
        self.watch = Watch(self.world)
        path = "database/creds/reader"
        self.accounts = [self.watch.names.core(new_lease_id(path)) for _ in range(3)]
        self.accounts.append(f"{self.accounts[0][:-4]}aaaa")
        for name, choice in history:
            await getattr(self, name)(choice)
            self.world.clock.advance(s=60)
        await self.away(False)
        await self.look(None)
        await self.assert_told_once()
        await self.world.stop()

    async def account(self, number: int) -> None:
        """An account comes, or goes."""
        if self.accounts[number] in self.world.target.accounts:
            self.world.target.drop(self.accounts[number])
        else:
            by_hand(self.world, self.accounts[number])

    async def right(self, count: int) -> None:
        self.world.target.missing = ("GRANT a", "GRANT b")[:count]

    async def away(self, away: bool) -> None:
        self.world.target.away = away

    async def look(self, after: int | None) -> None:
        """Look; and die after so many steps of that, if `after` is one."""
        self.world.fate.after(after)
        looking = asyncio.create_task(self.quiet_look())
        died = asyncio.create_task(self.world.fate.died.wait())
        await asyncio.wait({looking, died}, return_when=asyncio.FIRST_COMPLETED)
        dead = self.world.fate.dead
        for task in (looking, died):
            task.cancel()
        await asyncio.gather(looking, died, return_exceptions=True)
        self.world.fate.after(None)
        if dead:
            await self.world.crash()
            await self.world.start()
            self.watch = Watch(self.world)

    async def quiet_look(self) -> None:
        try:
            await self.watch.look()
        except LeaseholdError:
            return

    async def assert_told_once(self) -> None:
        told = defaultdict(list)
        for event in await self.watch.told():
            told[event.detail["fingerprint"]].append(event.type.partition("-")[2])
        standing = {finding.fingerprint for finding in self.watch.drift.findings.all()}
        for fingerprint, heard in told.items():
            assert heard[::2] == ["found"] * len(heard[::2]), heard
            assert heard[1::2] == ["cleared"] * len(heard[1::2]), heard
            assert (heard[-1] == "found") == (fingerprint in standing)
        assert standing <= told.keys()
        accounts = {finding.sighting.account for finding in self.watch.drift.findings.all()}
        assert accounts - {""} == set(self.world.target.accounts)


def in_a_world(history: list[tuple[str, int | bool | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        loop = VirtualLoop(FakeClock())
        try:
            loop.run_until_complete(Told(Path(folder), loop.clock).run(history))
        finally:
            loop.close()


@settings(max_examples=50)
@given(st.lists(actions, max_size=20))
def test_every_finding_is_told_once(history) -> None:
    in_a_world(history)


def test_dying_at_any_step_of_a_look_tells_nothing_twice_and_drops_nothing() -> None:
    for step in range(0, MOST_STEPS):
        come_and_go = [("account", 0), ("right", 1), ("look", step)]
        in_a_world([*come_and_go, ("look", None), ("account", 0), ("right", 0), ("look", step)])
