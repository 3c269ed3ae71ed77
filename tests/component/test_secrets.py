"""Credentials under their other name, and rotation: replaced first, ended after that."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.clock import FakeClock
from fakes.policy import HOLDER, STRANGER, a_bundle
from fakes.routed import Routed
from fakes.world import World
from leasehold.bundle import Grant
from leasehold.errors import Denied, EngineError, Invalid, Unsupported
from leasehold.model import LeaseState

SECRETS = "/api/v1/secrets"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, FakeClock()) as made:
        yield made


@pytest.fixture
def ask(world: World) -> Routed:
    return Routed(world)


@pytest.mark.parametrize("path", ["database/creds/reader", "database/reader"])
async def test_a_secret_is_a_credential_with_a_lease(ask: Routed, world: World, path: str) -> None:
    reply = await ask("GET", f"{SECRETS}/{path}", HOLDER, {"ttl": "5m"})
    assert reply.body is not None
    assert reply.body["lease_id"].startswith("database/creds/reader/")
    assert reply.body["lease_duration"] == 300
    assert reply.body["data"]["username"] in world.target.accounts


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("database", Invalid),
        ("database/creds/reader/more", Invalid),
        ("database/nothing", Invalid),
        ("elsewhere/reader", Denied),
        ("sys/creds/reader", Denied),
    ],
)
async def test_what_is_no_role_of_the_callers_is_refused(
    ask: Routed, path: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await ask("GET", f"{SECRETS}/{path}")


async def test_values_of_ones_own_are_not_stored(ask: Routed) -> None:
    for method in ("PUT", "POST", "DELETE"):
        with pytest.raises(Unsupported, match="not stored here"):
            await ask(method, f"{SECRETS}/database/reader", HOLDER, {"password": "x"})


async def rotated(ask: Routed, lease_id: str, path: str = "database/reader") -> str:
    """Rotate, have the reply delivered, and return the new lease's id."""
    reply = await ask("POST", f"{SECRETS}/{path}/rotate", HOLDER, {"lease_id": lease_id})
    assert reply.body is not None
    for follow_up in reply.delivered:
        await follow_up()
    return str(reply.body["lease_id"])


async def test_rotating_gives_a_new_credential_and_ends_the_old_one(
    ask: Routed, world: World
) -> None:
    old = (await world.issue()).lease
    new = await rotated(ask, old.id)
    assert new != old.id
    assert (await world.lease(old.id)).state is LeaseState.REVOKED
    assert (await world.lease(new)).state is LeaseState.ACTIVE
    await world.assert_accounts_agree()


async def test_the_old_one_lives_until_the_new_one_has_been_delivered(
    ask: Routed, world: World
) -> None:
    old = (await world.issue()).lease
    body = {"lease_id": old.id}
    reply = await ask("POST", f"{SECRETS}/database/creds/reader/rotate", HOLDER, body)
    assert (await world.lease(old.id)).state is LeaseState.ACTIVE
    assert reply.undelivered is not None
    await reply.undelivered()
    assert (await world.lease(old.id)).state is LeaseState.ACTIVE
    await world.assert_accounts_agree()


async def test_the_old_one_lives_when_no_new_one_can_be_made(ask: Routed, world: World) -> None:
    old = (await world.issue()).lease
    world.target.away = True
    with pytest.raises(EngineError):
        await rotated(ask, old.id)
    assert (await world.lease(old.id)).state is LeaseState.ACTIVE


async def test_only_a_lease_of_ones_own_at_the_same_path_is_rotated(
    ask: Routed, world: World
) -> None:
    theirs = (await world.issue(caller=STRANGER)).lease
    other = (await world.issue("database/creds/brief")).lease
    made = len(world.target.accounts)
    for lease_id, words in (
        (theirs.id, "lease not found"),
        ("database/creds/reader/never", "lease not found"),
        (other.id, "allowed is one of database/creds/reader"),
    ):
        with pytest.raises(Invalid, match=words):
            await rotated(ask, lease_id)
    assert len(world.target.accounts) == made, "nothing is made for what is refused"


async def test_without_a_lease_nothing_is_ended(ask: Routed, world: World) -> None:
    old = (await world.issue()).lease
    reply = await ask("POST", f"{SECRETS}/database/reader/rotate")
    for follow_up in reply.delivered:
        await follow_up()
    assert (await world.lease(old.id)).state is LeaseState.ACTIVE


OPERATIONS = frozenset({"creds", "sts", "key", "token", "issue", "sign"})


class ManyWays(World):
    """Its engines do all that Vault's engines have words for."""

    engine_class = type("ManyEngine", (World.engine_class,), {"operations": OPERATIONS})


@pytest.fixture
async def many(tmp_path: Path) -> AsyncIterator[ManyWays]:
    grants = (
        Grant(
            identities=("holder",), paths=("database/*",), verbs=frozenset({"issue"}), source="a:1"
        ),
        Grant(
            identities=("stranger",),
            paths=("database/sts/*",),
            verbs=frozenset({"issue"}),
            source="a:2",
        ),
    )
    async with ManyWays(tmp_path, FakeClock(), a_bundle(grants=grants)) as made:
        yield made


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
async def test_whatever_an_engine_offers_is_asked_for_with_a_body(
    many: ManyWays, operation: str
) -> None:
    ask = Routed(many, OPERATIONS)
    for method in ("GET", "PUT", "POST"):
        body = {"ttl": "1m", "common_name": "a.example"}
        reply = await ask(method, f"/v1/database/{operation}/reader", HOLDER, body)
        assert reply.body is not None
        assert reply.body["lease_id"].startswith(f"database/{operation}/reader/")


async def test_what_an_engine_does_not_offer_is_refused_with_what_it_does(many: ManyWays) -> None:
    with pytest.raises(Invalid, match=r"database offers creds, .*, not passwords"):
        await Routed(many, OPERATIONS)("GET", "/v1/database/passwords/reader")


async def test_the_operation_may_be_left_out_where_one_is_open_to_the_caller(
    many: ManyWays,
) -> None:
    ask = Routed(many, OPERATIONS)
    reply = await ask("GET", f"{SECRETS}/database/reader", STRANGER)
    assert reply.body is not None
    assert reply.body["lease_id"].startswith("database/sts/reader/")
    with pytest.raises(Invalid, match="allowed are database/creds/reader, database/issue/reader"):
        await ask("GET", f"{SECRETS}/database/reader", HOLDER)
