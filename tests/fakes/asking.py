"""Questions about access, put to the handlers of a world."""

import contextlib
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from fakes.policy import OPERATOR
from fakes.world import KEY, World
from leasehold.api.access import AccessHandlers
from leasehold.api.audit_reader import AuditReader
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask
from leasehold.errors import LeaseholdError
from leasehold.events.audit_search import AuditSearch
from leasehold.model import Caller

numbers = itertools.count(1)


def making_a_request(caller: Caller) -> Caller:
    return replace(caller, request=f"{next(numbers):08d}-0000-0000-0000-000000000000")


class Asking:
    """A world, and the questions that its audit answers."""

    def __init__(self, world: World) -> None:
        self.world = world
        audit = AuditSearch(world.state_dir / "audit.jsonl", KEY.derive("audit chain"))
        operations = {"fake": frozenset({"creds"})}
        self.handlers = AccessHandlers(world.access, operations, AuditReader(audit))

    async def explain(self, request: str, caller: Caller = OPERATOR) -> dict[str, Any]:
        reply = await self.handlers.explain(Ask(caller, {"request_id": request}, Fields({})))
        return reply.body["data"]

    async def can(self, caller: Caller, **fields: str) -> dict[str, Any]:
        reply = await self.handlers.can_i(Ask(caller, {}, Fields(fields)))
        return reply.body["data"]

    async def tried(self, caller: Caller, work: Callable[[Caller], Awaitable[Any]]) -> str:
        """Make a request, whatever comes of it, and return its id."""
        asking = making_a_request(caller)
        with contextlib.suppress(LeaseholdError):
            await work(asking)
        return asking.request
