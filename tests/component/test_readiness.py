"""The gate of `ready`: what is handed out was seen to work, and what did not work is gone."""

import asyncio
from collections import deque
from pathlib import Path
from typing import ClassVar

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import FakeEngine, Fault
from fakes.policy import a_bundle, roles_with
from fakes.routed import Routed
from fakes.world import World
from leasehold.api.problems import problem_of
from leasehold.errors import EngineError, EnginePermanent, NotReady
from leasehold.handing import Ready
from leasehold.model import Cause, EventType, LeaseState

PATH = "database/creds/reader"


class Hesitant(FakeEngine):
    """Lets a login in, or not, as `answers` say; at their end it does."""

    answers: ClassVar[deque[bool]] = deque()

    async def login(self, credential):
        opens = await super().login(credential)
        return self.answers.popleft() if self.answers else opens


def hesitant(folder: Path, answers: list[bool], ready: Ready) -> World:
    world = World(folder, virtual_clock(), a_bundle(roles=roles_with("reader", ready=ready)))
    world.engine_class = type("Engine", (Hesitant,), {"answers": deque(answers)})
    return world


@on_virtual_time
async def test_a_credential_is_released_after_so_many_logins_in_a_row(tmp_path: Path) -> None:
    async with hesitant(tmp_path, [False, True, True, False], Ready(3, 10)) as world:
        issued = await world.issue()
        assert world.target.calls["login"] == 4 + 3, "a login that fails begins the row anew"
        assert issued.ready_ms is not None
        assert issued.lease.issued_ms < issued.ready_ms <= world.clock.now_ms()
        assert issued.lease.state is LeaseState.ACTIVE
        assert await world.told() == [EventType.READY, EventType.ISSUED]
        [times] = world.readiness.times()
        assert times.path == PATH
        assert times.count == 1
        assert times.p50_s == times.p99_s == times.sum_s > 0


@on_virtual_time
async def test_what_does_not_work_in_time_is_revoked_at_once(tmp_path: Path) -> None:
    answers = [True, True, False] * 1000
    async with hesitant(tmp_path, answers, Ready(3, 10)) as world:
        began_ms = world.clock.now_ms()
        with pytest.raises(NotReady, match="3 times in a row within 10 s") as refused:
            await world.issue()
        assert 10_000 <= world.clock.now_ms() - began_ms < 11_000
        [lease] = await world.leases()
        assert (lease.state, lease.cause) == (LeaseState.REVOKED, Cause.ISSUE_FAILED)
        assert not world.target.accounts
        assert await world.told() == [EventType.REVOKED]
        problem = problem_of(refused.value)
        assert (problem.status, problem.code) == (503, "not-ready")
        assert int(problem.headers["Retry-After"]) > 0
        assert not [*world.readiness.times()]


@on_virtual_time
async def test_a_target_that_is_silent_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    async with hesitant(tmp_path, [], Ready(1, 10)) as world:
        world.target.fail("login", Fault.BEFORE, Fault.DEFECT)
        await world.issue()
        assert world.target.calls["login"] == 3


@on_virtual_time
async def test_a_login_that_hangs_is_given_up_with_the_span(tmp_path: Path) -> None:
    async with hesitant(tmp_path, [], Ready(1, 5)) as world:
        world.target.fail("login", Fault.HANG)
        with pytest.raises(NotReady):
            await world.issue()
        await world.settle()
        await world.assert_accounts_agree()


@on_virtual_time
async def test_what_will_never_work_is_not_waited_for(tmp_path: Path) -> None:
    async with hesitant(tmp_path, [], Ready(1, 40)) as world:
        began_ms = world.clock.now_ms()
        world.target.fail("login", Fault.REFUSED)
        with pytest.raises(EnginePermanent):
            await world.issue()
        assert world.clock.now_ms() - began_ms < 1_000
        assert not world.target.accounts


@on_virtual_time
async def test_a_crash_while_it_is_tried_leaves_nothing(tmp_path: Path) -> None:
    async with hesitant(tmp_path, [False] * 1000, Ready(1, 30)) as world:
        asking = asyncio.create_task(world.issue())
        await asyncio.sleep(5)
        assert len(world.target.accounts) == 1
        await world.crash()
        with pytest.raises((EngineError, NotReady, asyncio.CancelledError)):
            await asking
        await world.start()
        await world.settle()
        assert not world.target.accounts
        await world.assert_accounts_agree()


@on_virtual_time
async def test_the_reply_says_since_when_it_works(tmp_path: Path) -> None:
    async with hesitant(tmp_path, [], Ready(2, 10)) as world:
        reply = await Routed(world)("GET", f"/v1/{PATH}")
        assert reply.body is not None
        assert reply.body["leasehold"]["ready_at"].endswith("Z")
        plain = await Routed(world)("GET", "/v1/database/creds/brief")
        assert plain.body is not None
        assert "leasehold" not in plain.body, "Vault's reply, where the role asks for nothing"
