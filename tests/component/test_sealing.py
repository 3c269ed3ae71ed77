"""Sealing on a world: what is durable when, and what a start makes of it."""

import asyncio
import base64
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fakes.brokers import old_broker
from fakes.clock import FakeClock
from fakes.policy import HOLDER, OPERATOR, a_bundle
from fakes.publishing import soon
from fakes.rotating import Rotating, rotating_bundle
from fakes.world import KEY, World
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.api.sealed import SealedHandlers
from leasehold.api.sealing import SealHandlers
from leasehold.clock import SystemClock
from leasehold.errors import ConfigError, Denied, Invalid, Sealed
from leasehold.events.broker import Broker
from leasehold.events.sealed_status import SealedStatus
from leasehold.keys.keyfile import Key, load_or_create
from leasehold.keys.sealflag import SealFlag
from leasehold.model import Caller, TlsPeer
from leasehold.reconcile.sealing import Sealing, Unsealing, may_serve
from leasehold.standing import On, Schedule, StaticRole

ROOT = replace(HOLDER, uid=0)
BY_TLS = Caller.over_tls(TlsPeer(names=("dns:a.internal",)))


class Sealable:
    """A world that can be sealed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.flag = SealFlag(world.state_dir)
        self.stopped = asyncio.Event()
        self.sealing = Sealing(
            world.access,
            world.store,
            world.clock,
            world.freeze,
            self.flag,
            world.background,
            world.issuance.forget,
            self.stopped.set,
        )
        self.serve = SealHandlers(self.sealing)

    async def seal(self, caller: Caller = OPERATOR, reason: str = "T-9") -> None:
        await self.serve.seal(Ask(caller, {}, Fields({"reason": reason})))

    async def may_serve(self, by: Caller | None = None) -> bool:
        unsealing = None if by is None else Unsealing(KEY, by)
        return await may_serve(self.world.store, self.world.clock, self.flag, unsealing)


async def test_nothing_is_issued_from_the_seal_on_and_it_is_durable(tmp_path: Path) -> None:
    async with World(tmp_path, FakeClock(), a_bundle()) as world:
        it = Sealable(world)
        assert await it.may_serve()
        await it.seal()
        assert (it.sealing.done, it.stopped.is_set(), it.flag.is_set) == (True, True, True)
        with pytest.raises(Sealed):
            await world.issue()
        assert not await it.may_serve()


async def test_whom_the_policy_does_not_let_seals_nothing(tmp_path: Path) -> None:
    async with World(tmp_path, FakeClock(), a_bundle()) as world:
        it = Sealable(world)
        for caller, reason, refusal in (
            (HOLDER, "T-9", Denied),
            (OPERATOR, " ", Invalid),
            (OPERATOR, "x" * 257, Invalid),
        ):
            with pytest.raises(refusal):
                await it.seal(caller, reason)
        assert (it.sealing.done, it.flag.is_set) == (False, False)
        await world.issue()
        assert await it.may_serve()


async def test_a_flag_that_was_taken_away_is_put_again(tmp_path: Path) -> None:
    async with World(tmp_path, FakeClock(), a_bundle()) as world:
        it = Sealable(world)
        await it.seal()
        it.flag.remove()
        assert not await it.may_serve()
        assert it.flag.is_set


async def test_unsealing_tells_how_long_it_was_and_what_came_due(tmp_path: Path) -> None:
    async with World(tmp_path, FakeClock(), a_bundle()) as world:
        it = Sealable(world)
        lease = (await world.issue()).lease
        await it.seal()
        world.clock.advance(ms=lease.ttl_ms + 1_000)
        assert await it.may_serve(ROOT)
        assert not it.flag.is_set
        assert await it.may_serve(), "for good"
        lines = (await world.audited())[""]
        [told] = [line for line in lines if line["event"] == "daemon-unsealed"]
        expected = {"due": "1", "seconds": str(lease.ttl_ms // 1000 + 1)}
        assert {name: told["detail"][name] for name in expected} == expected


async def test_unsealing_has_passwords_rotated_once_also_after_a_crash(tmp_path: Path) -> None:
    on = Schedule(on=frozenset({On.DAEMON_UNSEALED}))
    role = StaticRole(name="billing", engine="main", accounts=("billing_app",), schedule=on)
    bundle = rotating_bundle(static_roles={("database", "billing"): role})
    async with World(tmp_path, FakeClock(), bundle) as world:
        world.target.passwords["billing_app"] = "before"
        await Rotating(world).rotations.schedule.round()
        world.clock.advance(s=60)
        await Sealable(world).seal()
        world.clock.advance(s=60)
        assert await Sealable(world).may_serve(ROOT)
        await world.crash()
        await world.start()
        assert await Sealable(world).may_serve()
        rotating = Rotating(world)
        await rotating.rotations.schedule.round()
        after = world.target.passwords["billing_app"]
        assert after != "before"
        world.clock.advance(s=60)
        await rotating.rotations.schedule.round()
        assert world.target.passwords["billing_app"] == after


class SealedDaemon:
    """The routes of a sealed daemon, over a key file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "key"
        self.key = load_or_create(self.file, may_create=True)
        self.text = self.file.read_text()
        self.given: list[tuple[Key, Caller]] = []
        since = datetime(2026, 11, 24, tzinfo=UTC)
        self.serve = SealedHandlers(FakeClock(), since, self.file, self.key.id, self._take)

    def _take(self, key: Key, caller: Caller) -> None:
        self.given.append((key, caller))

    async def unseal(self, caller: Caller, **fields: object) -> Reply:
        """Ask, and have the answer arrive."""
        reply = await self.serve.unseal(Ask(caller, {}, Fields(fields)))
        assert self.given == [], "not before the answer"
        for follow_up in reply.delivered:
            await follow_up()
        return reply


@pytest.mark.parametrize("caller", [HOLDER, BY_TLS])
async def test_whoever_has_the_key_unseals_from_anywhere(tmp_path: Path, caller: Caller) -> None:
    it = SealedDaemon(tmp_path)
    it.file.unlink()
    await it.unseal(caller, key=it.text)
    assert it.given == [(it.key, caller)]


async def test_without_the_key_only_root_and_the_daemons_user_unseal(tmp_path: Path) -> None:
    it = SealedDaemon(tmp_path)
    for caller in (HOLDER, BY_TLS):
        with pytest.raises(Denied, match="presenting the key"):
            await it.unseal(caller)
    await it.unseal(replace(HOLDER, uid=os.geteuid()))
    assert [key for key, _ in it.given] == [it.key]


async def test_no_other_key_unseals_be_it_presented_or_in_the_file(tmp_path: Path) -> None:
    it = SealedDaemon(tmp_path)
    other = base64.b64encode(bytes(32))
    for text in ("no key", other.decode()):
        with pytest.raises(Invalid, match="another key") as refused:
            await it.unseal(ROOT, key=text)
        assert text not in str(refused.value)
    it.file.write_bytes(other)
    with pytest.raises(Invalid, match="another key"):
        await it.unseal(ROOT)
    it.file.unlink()
    with pytest.raises(ConfigError, match="the key is missing"):
        await it.unseal(ROOT)
    assert it.given == []


async def test_a_sealed_daemon_says_so_and_what_to_do(tmp_path: Path) -> None:
    it = SealedDaemon(tmp_path)
    asked = Ask(HOLDER, {}, Fields({}))
    health = await it.serve.health(asked)
    assert health.body is not None
    assert (health.status, health.body["sealed"]) == (503, True)
    chosen = await it.serve.health(Ask(HOLDER, {}, Fields({"sealedcode": "299"})))
    assert (chosen.sent_status, chosen.status) == (299, 503)
    assert (await it.unseal(ROOT, reset="true")).body == (await it.serve.seal_status(asked)).body
    assert it.given == []
    with pytest.raises(Sealed, match=r"sealed since 2026-11-24.*run leasehold unseal"):
        await it.serve.refuse(asked)


async def test_the_broker_is_told_that_it_is_sealed_and_then_that_it_stopped() -> None:
    async with old_broker() as (port, heard), asyncio.TaskGroup() as group:
        broker = Broker.at(f"mqtt://127.0.0.1:{port}", None, "leasehold-west")
        telling = group.create_task(SealedStatus(broker, SystemClock(), "west").run())
        await soon(lambda: [each["state"] for each in heard] == ["sealed"])
        telling.cancel()
        await asyncio.wait([telling])
        await soon(lambda: [each["state"] for each in heard] == ["sealed", "stopped"])
