"""Leases that do not end as they should, as Vault's clients ask for them; and trying them now."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fakes.bulk import Bulk
from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import Fault
from fakes.policy import HOLDER, NOBODY_KNOWN, OPERATOR, STRANGER
from fakes.world import World
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.errors import Denied, EnginePermanent, ErrorClass, Invalid, NotFound
from leasehold.model import Caller

REFUSED = EnginePermanent("not allowed (42501)", error_class=ErrorClass.DENIED)


class Asking:
    def __init__(self, world: World) -> None:
        self.world = world
        self.handlers = Bulk(world).stuck

    async def __call__(self, verb: str, *, caller: Caller = OPERATOR, **fields: Any) -> Reply:
        reply: Reply = await getattr(self.handlers, verb)(Ask(caller, {}, Fields(fields)))
        return reply

    async def stuck(self, path: str = "database/creds/reader", caller: Caller = HOLDER) -> str:
        """A lease whose account outlives it."""
        lease = (await self.world.issue(path, caller=caller)).lease
        for target in self.world.targets.values():
            target.stubborn[lease.account] = REFUSED
        await self.world.issuance.revoke(OPERATOR, lease.id)
        await asyncio.sleep(60)
        await self.world.sweep()
        return lease.id


@asynccontextmanager
async def asking(tmp_path: Path) -> AsyncIterator[Asking]:
    async with World(tmp_path, virtual_clock()) as world:
        yield Asking(world)


@on_virtual_time
async def test_leases_that_are_overdue_are_counted_and_listed_the_oldest_first(
    tmp_path: Path,
) -> None:
    async with asking(tmp_path) as ask:
        await ask.world.issue()
        first, second = await ask.stuck(), await ask.stuck("cache/creds/user", STRANGER)
        counted = (await ask("count", type="irrevocable")).body["data"]
        assert counted == {"lease_count": 2, "counts": {"cache": 1, "database": 1}}
        listed = (await ask("leases", type="irrevocable")).body["data"]
        assert [lease["lease_id"] for lease in listed["leases"]] == [first, second]
        assert listed["leases"][0]["mount_id"] == "database"
        assert listed["leases"][0]["error"] == "not allowed (42501)"


@on_virtual_time
async def test_callers_see_their_own_and_listers_all(tmp_path: Path) -> None:
    async with asking(tmp_path) as ask:
        for caller in (HOLDER, STRANGER, STRANGER):
            await ask.stuck(caller=caller)
        for caller, seen in ((HOLDER, 1), (STRANGER, 2), (OPERATOR, 3), (NOBODY_KNOWN, 0)):
            for verb in ("count", "leases"):
                reply = await ask(verb, caller=caller, type="irrevocable")
                assert reply.body["data"]["lease_count"] == seen


@on_virtual_time
async def test_a_list_that_is_cut_says_so(tmp_path: Path) -> None:
    async with asking(tmp_path) as ask:
        ids = [await ask.stuck() for _ in range(3)]
        for limit, warned in ((2, True), (3, False), ("none", False)):
            reply = await ask("leases", type="irrevocable", limit=limit)
            shown = [lease["lease_id"] for lease in reply.body["data"]["leases"]]
            assert shown == ids[: 2 if warned else 3]
            assert bool(reply.warnings) == warned
        with pytest.raises(Invalid, match="limit: found '0'"):
            await ask("leases", type="irrevocable", limit=0)


@pytest.mark.parametrize("verb", ["count", "leases"])
@on_virtual_time
async def test_only_that_type_can_be_asked_for(tmp_path: Path, verb: str) -> None:
    async with asking(tmp_path) as ask:
        with pytest.raises(Invalid, match="type must be specified"):
            await ask(verb)
        with pytest.raises(NotFound, match="allowed is irrevocable"):
            await ask(verb, type="service")


@on_virtual_time
async def test_tidying_tries_at_once_what_waits_for_another_attempt(tmp_path: Path) -> None:
    async with asking(tmp_path) as ask:
        worker = asyncio.create_task(ask.world.worker.run())
        await asyncio.sleep(0.1)
        issued = await ask.world.issue()
        ask.world.target.fail("revoke", *[Fault.REFUSED] * 6)
        await ask.world.issuance.revoke(HOLDER, issued.lease.id)
        await asyncio.sleep(60)
        assert ask.world.target.accounts, "the next attempt is a minute away"
        reply = await ask("tidy")
        assert (reply.status, len(reply.warnings)) == (202, 1)
        await asyncio.sleep(0.5)
        assert not ask.world.target.accounts
        with pytest.raises(Denied):
            await ask("tidy", caller=HOLDER)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
