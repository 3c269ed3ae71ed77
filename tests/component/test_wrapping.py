"""A wrapped response is handed over once or never, and what is never handed over is revoked."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.clock import FakeClock
from fakes.policy import HOLDER, NOBODY_KNOWN, STRANGER
from fakes.world import World
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.api.wrapping import WrappingHandlers
from leasehold.errors import Denied, Invalid, LimitReached, Unavailable
from leasehold.model import Cause, EventType, LeaseState
from leasehold.secret import Secret
from leasehold.tokens import wrapping
from leasehold.tokens.wrapping import BAD, LONGEST_S, MOST_BYTES, MOST_BYTES_EACH


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, FakeClock()) as made:
        yield made


async def a_wrapped_credential(world: World, ttl_s: int = 60) -> tuple[Secret, str]:
    """The wrapping token and the lease of what it is for."""
    issued = await world.issue()
    body = {"lease_id": issued.lease.id, "data": {"password": "hunter2-in-clear"}}
    token, _ = await world.wrapping.wrap(HOLDER, "database/creds/reader", ttl_s, body)
    return token, issued.lease.id


async def unwrap(world: World, token: Secret) -> dict[str, Any]:
    return (await world.wrapping.unwrap(STRANGER, token.reveal())).response()


async def test_a_response_comes_as_it_was_once(world: World) -> None:
    token, lease_id = await a_wrapped_credential(world)
    found = await unwrap(world, token)
    assert found == {"lease_id": lease_id, "data": {"password": "hunter2-in-clear"}}
    with pytest.raises(Invalid, match=BAD):
        await unwrap(world, token)
    world.clock.advance(s=61)
    await world.settle()
    assert (await world.lease(lease_id)).state is LeaseState.ACTIVE


async def test_of_many_who_unwrap_at_once_one_gets_it(world: World) -> None:
    token, _ = await a_wrapped_credential(world)
    results = await asyncio.gather(
        *(unwrap(world, token) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(result, dict) for result in results) == 1


async def test_what_nobody_unwraps_in_time_is_revoked(world: World) -> None:
    token, lease_id = await a_wrapped_credential(world)
    world.clock.advance(s=60)
    with pytest.raises(Invalid, match=BAD):
        await unwrap(world, token)
    await world.settle()
    lease = await world.lease(lease_id)
    assert (lease.state, lease.cause) == (LeaseState.REVOKED, Cause.UNDELIVERED)
    assert EventType.RESPONSE_LOST in await world.told()


async def test_what_a_daemon_that_died_had_wrapped_is_revoked_at_the_next_start(
    world: World,
) -> None:
    token, lease_id = await a_wrapped_credential(world, LONGEST_S)
    _, delivered = await a_wrapped_credential(world)
    await world.crash()
    await world.start()
    with pytest.raises(Invalid, match=BAD):
        await unwrap(world, token)
    await world.settle()
    for lost in (lease_id, delivered):
        assert (await world.lease(lost)).cause is Cause.UNDELIVERED


async def test_what_was_unwrapped_before_a_crash_lives(world: World) -> None:
    token, lease_id = await a_wrapped_credential(world)
    await unwrap(world, token)
    await world.crash()
    await world.start()
    await world.settle()
    assert (await world.lease(lease_id)).state is LeaseState.ACTIVE


async def test_a_wrapped_login_that_is_lost_ends_its_token(world: World) -> None:
    made = await world.login(HOLDER)
    body = {"auth": {"client_token": made.text.reveal(), "accessor": made.token.accessor}}
    await world.wrapping.wrap(HOLDER, "auth/unix/login", 30, body)
    world.clock.advance(s=30)
    await world.settle()
    with pytest.raises(Denied):
        await world.speak(made.text)


async def test_a_rewrapped_response_has_one_token_and_is_revoked_when_lost(world: World) -> None:
    token, lease_id = await a_wrapped_credential(world)
    world.clock.advance(s=50)
    second, made = await world.wrapping.rewrap(HOLDER, token.reveal())
    assert made.ttl_s == 60
    with pytest.raises(Invalid, match=BAD):
        world.wrapping.look(token.reveal())
    world.clock.advance(s=50)
    await world.settle()
    assert (await world.lease(lease_id)).state is LeaseState.ACTIVE
    assert world.wrapping.look(second.reveal()).path == "database/creds/reader"
    await world.crash()
    await world.start()
    await world.settle()
    assert (await world.lease(lease_id)).state is LeaseState.REVOKED


async def test_a_wrapping_token_that_cannot_be_handed_over_revokes_at_once(world: World) -> None:
    token, lease_id = await a_wrapped_credential(world)
    await world.wrapping.undelivered(token)
    await world.settle()
    assert (await world.lease(lease_id)).cause is Cause.UNDELIVERED


async def test_a_response_that_cannot_be_told_of_is_kept(world: World) -> None:
    """Nobody has it, so it may be asked for again."""
    token, _ = await a_wrapped_credential(world)

    async def refuse(*_: Any) -> None:
        raise Unavailable("the disk is full")

    keep, world.wrapping._store.keep = world.wrapping._store.keep, refuse
    with pytest.raises(Unavailable):
        await unwrap(world, token)
    world.wrapping._store.keep = keep
    assert await unwrap(world, token)


async def test_no_response_waits_longer_than_a_day(world: World) -> None:
    _, made = await world.wrapping.wrap(HOLDER, "a/b", 30 * LONGEST_S, {"data": {}})
    assert made.ttl_s == LONGEST_S


async def test_one_caller_cannot_fill_the_house(world: World) -> None:
    for _ in range(wrapping.MOST):
        await world.wrapping.wrap(HOLDER, "a/b", 60, {"data": {}})
    with pytest.raises(LimitReached):
        await world.wrapping.wrap(HOLDER, "a/b", 60, {"data": {}})
    assert await world.wrapping.wrap(STRANGER, "a/b", 60, {"data": {}})


async def test_one_caller_has_an_eighth_of_the_room(world: World) -> None:
    large = {"data": "x" * (MOST_BYTES_EACH // 2)}
    await world.wrapping.wrap(HOLDER, "a/b", 60, large)
    with pytest.raises(LimitReached, match=f"1 responses of yours .* with {MOST_BYTES_EACH}"):
        await world.wrapping.wrap(HOLDER, "a/b", 60, large)
    assert await world.wrapping.wrap(STRANGER, "a/b", 60, large)


async def test_what_waits_of_all_callers_has_an_end(world: World) -> None:
    large = {"data": "x" * (MOST_BYTES_EACH // 2)}
    callers = [replace(HOLDER, uid=uid) for uid in range(MOST_BYTES // MOST_BYTES_EACH * 2)]
    for caller in callers[:-1]:
        await world.wrapping.wrap(caller, "a/b", 60, large)
    with pytest.raises(LimitReached, match="of others"):
        await world.wrapping.wrap(callers[-1], "a/b", 60, large)


async def test_a_response_is_nowhere_at_rest(world: World) -> None:
    token, lease_id = await a_wrapped_credential(world)
    everything = b"".join(f.read_bytes() for f in world.state_dir.iterdir() if f.is_file())
    assert lease_id.encode() in everything
    assert b"hunter2-in-clear" not in everything
    assert token.reveal().encode() not in everything


async def test_a_reply_that_cannot_be_wrapped_is_undone(world: World) -> None:
    """Its credential was made, and nobody will have it."""
    undone = asyncio.Event()

    async def undo() -> None:
        undone.set()

    async def refuse(*_: Any) -> None:
        raise Unavailable("the disk is full")

    world.wrapping._store.keep = refuse
    reply = Reply(body={"lease_id": "a/b/c/d", "data": {}}, undelivered=undo)
    ask = Ask(HOLDER, {}, Fields({}), wrap_s=60)
    with pytest.raises(Unavailable):
        await WrappingHandlers(world.access, world.wrapping).wrapped(ask, reply, "a/b/c")
    assert undone.is_set()


async def test_what_is_unwrapped_and_cannot_be_handed_over_is_undone(world: World) -> None:
    undone = asyncio.Event()

    async def undo() -> None:
        undone.set()

    handlers = WrappingHandlers(world.access, world.wrapping)
    reply = Reply(body={"lease_id": "a/b/c/d", "data": {"password": "x"}}, undelivered=undo)
    wrapped = await handlers.wrapped(Ask(HOLDER, {}, Fields({}), wrap_s=60), reply, "a/b/c")
    token = wrapped.body["wrap_info"]["token"]
    found = await handlers.unwrap(Ask(STRANGER, {}, Fields({"token": token})))
    assert found.body["data"] == {"password": "x"}
    await found.undelivered()
    assert undone.is_set()


async def test_only_identities_have_replies_wait_and_who_logs_in(world: World) -> None:
    handlers = WrappingHandlers(world.access, world.wrapping)
    undone = asyncio.Event()

    async def undo() -> None:
        undone.set()

    holder, nobody = (Ask(who, {}, Fields({}), wrap_s=60) for who in (HOLDER, NOBODY_KNOWN))
    said = Reply(body={"data": {"a": "b"}}, undelivered=undo)
    assert "wrap_info" in (await handlers.wrapped(holder, said, "a/b")).body
    assert not undone.is_set()
    with pytest.raises(Denied):
        await handlers.wrapped(nobody, said, "leasehold/whoami")
    assert undone.is_set()
    [denied] = [line for line in (await world.audited())[""] if line["event"] == "denied"]
    assert (denied["detail"]["path"], denied["detail"]["verb"]) == ("leasehold/whoami", "wrap")
    login = Reply(body={"auth": {"accessor": "x"}})
    assert "wrap_info" in (await handlers.wrapped(nobody, login, "auth/ci/login")).body


async def test_what_is_said_to_be_wrapped_must_say_for_how_long(world: World) -> None:
    handlers = WrappingHandlers(world.access, world.wrapping)
    said = Fields({"a": "b"})
    assert (await handlers.wrap(Ask(HOLDER, {}, said, wrap_s=60))).body == {"data": {"a": "b"}}
    with pytest.raises(Invalid, match="X-Vault-Wrap-TTL"):
        await handlers.wrap(Ask(HOLDER, {}, said))
