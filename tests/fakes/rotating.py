"""What rotates passwords, over a world that may die within."""

import asyncio
from dataclasses import replace
from typing import Any

from fakes.policy import ENGINES, a_bundle
from fakes.world import World
from leasehold.bundle import Bundle, Reference
from leasehold.rotation.parts import Rotations

FIRST = "admin-of-one"
"""The password of `main`'s administrator, as the policy has it."""


def rotating_bundle(**changes: Any) -> Bundle:
    """Engines whose administrators have passwords."""
    engines = {
        name: replace(
            engine, connection={**engine.connection, "password": Reference("env", "LEASEHOLD_PW")}
        )
        for name, engine in ENGINES.items()
    }
    return a_bundle(**{"engines": engines, **changes})


class Rotating:
    """Made anew when its world has started again, as the daemon's is."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._lock = asyncio.Lock()
        self.rotations = Rotations(
            world.access,
            world.kept,
            world.engines,
            world.store,
            world.clock,
            world.freeze,
            world.background,
            lambda: Alone(self._lock),
        )

    async def settled(self) -> None:
        """Let time pass until every candidate is proved, or known not to hold."""
        for _ in range(200):
            await self.rotations.schedule.round()
            kept = [self.world.kept.get(name, "") for name in ("main", "other")]
            if not any(each is not None and each.candidate is not None for each in kept):
                return
            self.world.clock.advance(s=10)
        raise AssertionError("a rotation was never settled")


class Alone:
    """Nobody applies a policy within."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock

    async def __aenter__(self) -> None:
        await self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()
