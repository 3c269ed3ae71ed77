"""Connections that leases are bound to, and the watch over them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from fakes.policy import HOLDER
from fakes.world import World
from leasehold.model import Caller


class ALine:
    """A connection that leases can be bound to."""

    stays = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.holds = self.is_let_go = False
        self.ended: Callable[[], None] = lambda: None

    @contextmanager
    def holding(self, ended: Callable[[], None]) -> Iterator[None]:
        self.holds, self.ended = True, ended
        try:
            yield
        except BaseException:
            self.holds = False
            raise

    def let_go(self) -> None:
        self.is_let_go = True
        self.ended()


@contextmanager
def running(world: World) -> Iterator[None]:
    """The holders are watched within."""
    task = asyncio.create_task(world.holding.run())
    try:
        yield
    finally:
        task.cancel()


def connected(name: str) -> Caller:
    return replace(HOLDER, line=ALine(name))
