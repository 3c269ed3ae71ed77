"""One daemon over the world, with its clients and its observer: what a scenario does things to."""

import itertools
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.census import Observer
from chaos.clock import HarnessClock
from chaos.daemon import ChaosDaemon, Points
from chaos.facts import Census, Violation
from chaos.hearing import Hearing
from chaos.invariants import Evidence, violations
from chaos.journal import Journal
from chaos.load import Clients, Load
from chaos.world import World

SETTLE_S = 10.0
"""The bar: a clean census within this time after a restart."""
POLL_S = 0.1
EARLY = 10
"""The census of one process that its later ones are compared with."""
_numbers = itertools.count()


@dataclass(frozen=True)
class Settled:
    """How long a clean census took, from the start of the daemon; or what was left in the end."""

    seconds: float
    violations: Sequence[Violation]
    census: Census


class Trial:
    """Made by `trial`, which also ends it."""

    def __init__(
        self, world: World, daemon: ChaosDaemon, hearing: Hearing, clock: HarnessClock
    ) -> None:
        self.world = world
        self.daemon = daemon
        self.clock = clock
        self.journal = Journal()
        self.clients = Clients(daemon, self.journal, clock)
        self.kills = 0
        self.blind: frozenset[str] = frozenset()
        """Invariants that say nothing in this scenario, which tells why."""
        self._hearing = hearing
        self._observer: Observer | None = None
        self._early: Census | None = None
        self._counted = 0

    def start(self, points: Points | None = None) -> None:
        """Start the daemon, and wait until it serves."""
        self._early, self._counted = None, 0
        self.daemon.run(points)

    def kill(self, points: Points | None = None, *, then_start: bool = True) -> None:
        """SIGKILL, and a start."""
        if self.daemon.alive:
            self.daemon.kill()
        self.was_killed()
        if then_start:
            self.start(points)

    def was_killed(self) -> None:
        """The daemon is dead: nothing that it was asked for is certain."""
        self.kills += 1
        self.journal.died(self.clock.boot_ms())

    def load(self, engines: Sequence[str] = (), *, rate: float, seed: int) -> Load:
        """Clients at work until the block is left."""
        return Load(self.clients, engines or self.world.engines, rate, seed)

    def census(self, *, deep: bool = False) -> Census:
        """Count everything."""
        if self._observer is None:
            self._observer = Observer(
                self.daemon, self.world.targets, self.journal, self.clock, self._hearing
            )
        return self._observer.take(deep=deep)

    def judged(self, census: Census) -> list[Violation]:
        """What was not kept, as the census has it."""
        found = violations(Evidence(census, self.journal, self._early))
        return [each for each in found if each.invariant not in self.blind]

    def settle(self, limit_s: float = SETTLE_S, *, deep: bool = False) -> Settled:
        """Take censuses until one is clean, from when the daemon was started until the limit.

        No client may be at work.
        """
        until = time.monotonic() + limit_s
        while True:
            census = self.census(deep=deep)
            found = self.judged(census)
            now = time.monotonic()
            if not found or now > until:
                self._counted += 1
                if self._counted == EARLY:
                    self._early = census
                return Settled(now - self.daemon.started_at, found, census)
            time.sleep(POLL_S)


@contextmanager
def trial(
    world: World,
    folder: Path,
    *,
    planted: str = "",
    clocked: bool = False,
    policy: str = "",
    flags: tuple[str, ...] = (),
) -> Iterator[Trial]:
    """A daemon that was not started yet, in a folder of its own that goes with it.

    With `clocked` its time can be moved, with `planted` it has that bug.
    """
    number = next(_numbers)
    place = folder / f"trial-{number}"
    world.clear()
    with world.broker.subscriber(name=f"chaos-{number}"):
        hearing = Hearing(world.broker.folder / f"chaos-{number}.out")
        place.mkdir(mode=0o700)
        clock = HarnessClock(folder / f"clock-{number}.json" if clocked else None)
        daemon = ChaosDaemon(
            place, world, planted=planted, clock=clock.file, policy=policy, flags=flags
        )
        try:
            yield Trial(world, daemon, hearing, clock)
        finally:
            if daemon.alive and daemon.process is not None:
                daemon.process.send_signal(signal.SIGKILL)
                daemon.process.wait(10)
            world.clear()
            shutil.rmtree(place, ignore_errors=True)
