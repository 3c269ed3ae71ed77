"""What operators are told of drift and orphans over the interface, page by page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.policy import HOLDER, OPERATOR
from fakes.watch import Watch, by_hand
from fakes.world import World
from leasehold.api.drift import DriftHandlers
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask
from leasehold.background import Background
from leasehold.errors import Denied, Invalid, Stale
from leasehold.leases.names import new_lease_id
from leasehold.model import Caller


class Asking:
    """Calls handlers as the dispatcher does; what comes back is the data of the reply."""

    def __init__(self, world: World, group: asyncio.TaskGroup) -> None:
        self.world = world
        self.watch = Watch(world)
        watch = self.watch
        self.handlers = DriftHandlers(
            world.access, watch.drift, watch.removal, world.clock, Background(group)
        )

    async def __call__(self, verb: str, *, caller: Caller = OPERATOR, **fields: Any) -> Any:
        reply = await getattr(self.handlers, verb)(Ask(caller, {}, Fields(fields)))
        return reply.body["data"]

    def strays(self, count: int) -> set[str]:
        names = {self.watch.names.core(new_lease_id("database/creds/reader")) for _ in range(count)}
        by_hand(self.world, *names)
        return names


@asynccontextmanager
async def asking(tmp_path: Path) -> AsyncIterator[Asking]:
    async with World(tmp_path, virtual_clock()) as world, asyncio.TaskGroup() as group:
        world.target.page = 5_000
        yield Asking(world, group)


@on_virtual_time
async def test_ten_thousand_orphans_come_in_pages_and_go_in_one_request(tmp_path: Path) -> None:
    async with asking(tmp_path) as ask:
        names = ask.strays(10_000)
        page = await ask("orphans")
        found, pages = list(page["findings"]), 1
        while page["next"]:
            page = await ask("orphans", after=page["next"])
            found += page["findings"]
            pages += 1
        assert {each["account"] for each in found} == names
        assert len(found) == 10_000
        assert pages == 10
        done = await ask(
            "remove",
            accounts=[[each["engine"], each["account"]] for each in found],
            report=page["report"],
            allow_unsafe=["max-leases-revoked"],
        )
        assert done["removed"] == 10_000
        assert not ask.world.target.accounts


@on_virtual_time
async def test_pages_belong_to_one_report(tmp_path: Path) -> None:
    async with asking(tmp_path) as ask:
        ask.strays(5)
        first = await ask("orphans", limit=2)
        await ask("orphans", limit=2)
        with pytest.raises(Stale, match="begin again"):
            await ask("orphans", after=first["next"])
        latest = await ask("orphans", limit=2)
        with pytest.raises(Invalid, match="allowed is the next of a page"):
            await ask("orphans", after=latest["next"] + "x")


@on_virtual_time
async def test_what_stands_is_told_without_a_look_and_looked_for_when_asked(tmp_path: Path) -> None:
    async with asking(tmp_path) as ask:
        ask.world.target.missing = ("GRANT a",)
        ask.strays(3)
        assert await ask("standing") == {"looked_at": None, "findings": [], "accounts": []}
        looked = await ask("look")
        assert await ask("standing") == looked
        [finding] = looked["findings"]
        assert (finding["kind"], finding["about"], finding["what"], finding["why"]) == (
            "target",
            "engine:main",
            "right-missing",
            "GRANT a",
        )
        [orphans] = looked["accounts"]
        assert (orphans["engine"], orphans["what"], orphans["count"]) == ("main", "orphan", 3)
        assert looked["looked_at"] == finding["first_seen"] == "2026-01-01T00:00:00.000Z"


@on_virtual_time
async def test_a_server_is_taken_as_it_is_by_the_request_that_looks(tmp_path: Path) -> None:
    async with asking(tmp_path) as ask:
        await ask("look")
        ask.world.target.identity = "another"
        [finding] = (await ask("look"))["findings"]
        assert finding["what"] == "target-changed"
        assert (await ask("look", accept=["main"]))["findings"] == []


@on_virtual_time
async def test_none_of_it_is_for_callers_without_operate(tmp_path: Path) -> None:
    async with asking(tmp_path) as ask:
        for verb in ("standing", "look", "orphans", "remove"):
            with pytest.raises(Denied):
                await ask(verb, caller=HOLDER)
        assert ask.world.target.calls["accounts"] == 0


@on_virtual_time
async def test_a_code_that_means_nothing_here_is_refused(tmp_path: Path) -> None:
    async with asking(tmp_path) as ask:
        with pytest.raises(Invalid, match="allowed is max-leases-revoked"):
            await ask("remove", allow_unsafe=["max-deletes"])
