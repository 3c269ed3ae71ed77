"""Workers of one daemon who wait for their turn at each call, and what each of them has seen."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Hashable
from contextvars import ContextVar
from typing import Any

from fakes.ledger import Fate, Ledger
from fakes.world import World
from leasehold.errors import LeaseholdError
from leasehold.leases.sqlite import SQLiteStore

who: ContextVar[str] = ContextVar("who", default="")
"""The worker on whose behalf something is done."""
calls: ContextVar[str] = ContextVar("calls", default="the target")
"""What is called."""


class Turns(Fate):
    """Has all who come to a step wait for their turn."""

    def __init__(self) -> None:
        super().__init__()
        self.on = False
        self.waiting: list[tuple[tuple[str, str], asyncio.Future[None]]] = []
        self.seen: defaultdict[str, Counter[Hashable]] = defaultdict(Counter)
        """Not in which order: versions only grow, so what was read says that."""

    async def step(self) -> None:
        await super().step()
        if not self.on:
            return
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(((who.get(), calls.get()), turn))
        await turn
        await super().step()

    def go_on(self, choice: int) -> None:
        """Let one of them go on, by its place in the row."""
        whose, turn = self.waiting.pop(choice)
        self.seen[whose[0]][whose] += 1
        turn.set_result(None)


class SeenLedger(Ledger):
    """Notes what each worker read."""

    def __init__(self, store: SQLiteStore, fate: Fate) -> None:
        super().__init__(store, fate)
        assert isinstance(fate, Turns)
        self._turns = fate

    def __getattr__(self, name: str) -> Any:
        member = super().__getattr__(name)
        if not asyncio.iscoroutinefunction(member):
            return member

        async def call(*args: Any, **kwargs: Any) -> Any:
            if name == "write_many" and not args[0]:
                return []  # which the store does not even hear of
            token = calls.set(name)
            try:
                result = await member(*args, **kwargs)
            except LeaseholdError as error:
                self._turns.seen[who.get()][name, str(error)] += 1
                raise
            finally:
                calls.reset(token)
            self._turns.seen[who.get()][name, _told(result)] += 1
            return result

        return call


def _told(result: Any) -> Hashable:
    """What of a result can change what comes next; events have ids of their own."""
    return repr(result) if not isinstance(result, list) else tuple(map(repr, map(_lease, result)))


def _lease(each: Any) -> Any:
    return getattr(each, "new", each)


class SearchedWorld(World):
    """A world whose steps are turns."""

    ledger_class: type[Ledger] = SeenLedger
    fate_class = Turns
