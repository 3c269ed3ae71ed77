"""Static roles: the password that is given out opens, and what was given out lives as promised."""

import asyncio
import os
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import Fault
from fakes.policy import GRANTS, HOLDER, OPERATOR, STRANGER
from fakes.rotating import FIRST, Rotating, rotating_bundle
from fakes.world import World
from leasehold.bundle import Grant
from leasehold.errors import Conflict, Denied, EngineError, Frozen, Invalid, LeaseholdError
from leasehold.leases.matching import Match
from leasehold.reconcile.incident import Incident
from leasehold.rotation.giving import StaticCredential
from leasehold.standing import On, Schedule, StaticRole

SEEDS = int(os.environ.get("LEASEHOLD_EXAMPLES", "40"))
DAY_S = 86_400
SINGLE = ("database", "billing")
PAIR = ("database", "ledger")
MAY_READ = Grant(
    identities=("holder", "stranger"),
    paths=("database/static-creds/*",),
    verbs=frozenset({"issue"}),
    source="policy.yaml:3",
)
FAULTS = [
    None,
    Fault.BEFORE,
    Fault.AFTER,
    Fault.REFUSED,
    Fault.DEFECT,
    Fault.HANG_AFTER,
    Fault.LATE,
]


def role(name: str, *accounts: str, **changes: Any) -> StaticRole:
    made = StaticRole(
        name=name, engine="main", accounts=accounts, schedule=Schedule(every_s=30 * DAY_S)
    )
    return replace(made, **changes)


def a_world(folder: Path, *roles: StaticRole) -> World:
    served = {("database", each.name): each for each in roles}
    bundle = rotating_bundle(static_roles=served, grants=(*GRANTS, MAY_READ))
    world = World(folder, virtual_clock(), bundle)
    world.target.root = FIRST
    for each in roles:
        world.target.passwords.update(dict.fromkeys(each.accounts, "somebody else's"))
    return world


async def read(
    rotating: Rotating, place: tuple[str, str], caller: Any = HOLDER
) -> StaticCredential:
    return await rotating.rotations.giving.read(caller, *place)


def opens(world: World, found: StaticCredential) -> bool:
    return world.target.passwords[found.username] == found.password.reveal()


@on_virtual_time
async def test_what_somebody_else_set_stays_until_the_first_rotation(tmp_path: Path) -> None:
    async with a_world(tmp_path, role("billing", "billing_app")) as world:
        rotating = Rotating(world)
        await rotating.rotations.schedule.round()
        assert world.target.passwords["billing_app"] == "somebody else's"
        with pytest.raises(Invalid, match="known from its first rotation on"):
            await read(rotating, SINGLE)
        world.clock.advance(s=30 * DAY_S)
        await rotating.rotations.schedule.round()
        found = await read(rotating, SINGLE)
        assert opens(world, found)
        assert found.next_ms == found.rotated_ms + 30 * DAY_S * 1000


@on_virtual_time
async def test_a_role_is_rotated_when_it_is_adopted_if_the_policy_says_so(tmp_path: Path) -> None:
    async with a_world(tmp_path, role("billing", "billing_app", rotate_at_adoption=True)) as world:
        rotating = Rotating(world)
        await rotating.rotations.schedule.round()
        assert opens(world, await read(rotating, SINGLE))


@on_virtual_time
async def test_who_may_not_issue_there_gets_nothing(tmp_path: Path) -> None:
    async with a_world(tmp_path, role("billing", "billing_app")) as world:
        rotating = Rotating(world)
        with pytest.raises(Denied):
            await read(rotating, SINGLE, OPERATOR)
        with pytest.raises(Denied):
            await rotating.rotations.static.rotate(HOLDER, *SINGLE, force=False)


@on_virtual_time
async def test_an_account_that_is_missing_is_told_and_none_is_made(tmp_path: Path) -> None:
    async with a_world(tmp_path, role("billing", "billing_app")) as world:
        del world.target.passwords["billing_app"]
        rotating = Rotating(world)
        with pytest.raises(EngineError, match="no such account"):
            await rotating.rotations.static.rotate(OPERATOR, *SINGLE, force=False)
        assert "billing_app" not in world.target.passwords
        [trouble] = rotating.rotations.troubles()
        assert "billing_app is not rotated: there is no such account" in trouble


@on_virtual_time
async def test_of_a_pair_a_password_lives_for_a_whole_period_after_the_next_one(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path, role("ledger", "a", "b")) as world:
        rotating = Rotating(world)
        await rotating.rotations.schedule.round()
        given: list[StaticCredential] = []
        for _ in range(5):
            world.clock.advance(s=30 * DAY_S)
            await rotating.rotations.schedule.round()
            given.append(await read(rotating, PAIR))
            assert opens(world, given[-1])
            if len(given) > 1:
                assert opens(world, given[-2])
                assert given[-1].username != given[-2].username
            if len(given) > 2:
                assert not opens(world, given[-3])


@on_virtual_time
async def test_a_predecessor_ends_when_everybody_who_read_it_has_acknowledged(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path, role("ledger", "a", "b", grace_max_s=DAY_S)) as world:
        rotating = Rotating(world)
        static, giving = rotating.rotations.static, rotating.rotations.giving
        await static.rotate(OPERATOR, *PAIR, force=False)
        world.clock.advance(s=DAY_S)
        await rotating.rotations.schedule.round()
        first = await read(rotating, PAIR)
        await read(rotating, PAIR, STRANGER)
        await static.rotate(OPERATOR, *PAIR, force=False)
        with pytest.raises(Conflict, match="lives on for holder, stranger"):
            await static.rotate(OPERATOR, *PAIR, force=False)
        state = await giving.acknowledge(HOLDER, *PAIR)
        assert state.waiting_for == ["stranger"]
        await rotating.rotations.schedule.round()
        assert opens(world, first)
        await giving.acknowledge(STRANGER, *PAIR)
        await rotating.rotations.schedule.round()
        assert not opens(world, first)
        assert opens(world, await read(rotating, PAIR))


@on_virtual_time
async def test_a_predecessor_ends_with_its_grace_acknowledged_or_not(tmp_path: Path) -> None:
    async with a_world(tmp_path, role("ledger", "a", "b", grace_max_s=DAY_S)) as world:
        rotating = Rotating(world)
        static = rotating.rotations.static
        await static.rotate(OPERATOR, *PAIR, force=False)
        first = await read(rotating, PAIR)
        await static.rotate(OPERATOR, *PAIR, force=True)
        await rotating.rotations.schedule.round()
        assert not opens(world, first), "who forces a rotation has what lives on end"
        world.clock.advance(s=60)
        second = await read(rotating, PAIR)
        await static.rotate(OPERATOR, *PAIR, force=False)
        world.clock.advance(s=DAY_S - 1)
        await rotating.rotations.schedule.round()
        assert opens(world, second)
        world.clock.advance(s=2)
        await rotating.rotations.schedule.round()
        assert not opens(world, second)


@on_virtual_time
async def test_an_incident_has_what_it_covers_rotated_once_and_freezes_it(tmp_path: Path) -> None:
    on = Schedule(every_s=30 * DAY_S, on=frozenset({On.INCIDENT_OPENED}))
    async with a_world(tmp_path, role("billing", "billing_app", schedule=on)) as world:
        rotating = Rotating(world)
        await rotating.rotations.static.rotate(OPERATOR, *SINGLE, force=False)
        before = await read(rotating, SINGLE)
        world.clock.advance(s=60)
        match = Match({"owner": "team-holder"})
        incident = Incident(
            id="1", match=match, reason="", at_ms=world.clock.now_ms(), by="o", caller=OPERATOR
        )
        await world.store.keep([incident.document()])
        world.freeze.stand("1", match)
        world.clock.advance(s=1)
        await rotating.rotations.schedule.round()
        assert not opens(world, before), "it covers somebody who has read it"
        with pytest.raises(Frozen):
            await read(rotating, SINGLE)
        world.freeze.lift("1")
        after = await read(rotating, SINGLE)
        world.clock.advance(s=60)
        await rotating.rotations.schedule.round()
        assert await read(rotating, SINGLE) == after


@on_virtual_time
async def test_the_rotation_of_the_administrator_may_have_others_follow(tmp_path: Path) -> None:
    on = Schedule(on=frozenset({On.ROOT_ROTATED}))
    async with a_world(tmp_path, role("billing", "billing_app", schedule=on)) as world:
        rotating = Rotating(world)
        await rotating.rotations.schedule.round()
        world.clock.advance(s=60)
        await rotating.rotations.root.rotate(OPERATOR, "database", "main")
        await rotating.rotations.schedule.round()
        assert opens(world, await read(rotating, SINGLE))


@on_virtual_time
async def test_a_date_that_is_near_is_told_until_it_is_kept(tmp_path: Path) -> None:
    clock = virtual_clock()
    by = clock.wall(clock.now_ms()) + timedelta(days=10)
    async with a_world(tmp_path, role("billing", "billing_app", schedule=Schedule(by=by))) as world:
        rotating = Rotating(world)
        await rotating.rotations.schedule.round()
        assert "must be rotated by" in rotating.rotations.troubles()[0]
        world.clock.advance(s=9 * DAY_S)
        await rotating.rotations.schedule.round()
        assert rotating.rotations.troubles() == ()
        assert opens(world, await read(rotating, SINGLE))


@pytest.mark.parametrize("seed", range(SEEDS))
@on_virtual_time
async def test_whatever_fails_and_wherever_it_dies_what_is_given_out_opens(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    roles = role("billing", "billing_app"), role("ledger", "a", "b", grace_max_s=DAY_S)
    world = a_world(tmp_path, *roles)
    await world.start()
    rotating = Rotating(world)
    for _ in range(5):
        for verb in ("rotate_static", "login"):
            if dice.random() < 0.5:
                world.target.fail(verb, dice.choice(FAULTS))
        world.fate.after(dice.choice([None, dice.randrange(20)]))
        static, place = rotating.rotations.static, dice.choice([SINGLE, PAIR])
        works = [
            lambda: static.rotate(OPERATOR, *place, force=dice.random() < 0.5),  # noqa: B023
            lambda: rotating.rotations.schedule.round(),  # noqa: B023
        ]
        work: asyncio.Future[Any] = asyncio.ensure_future(dice.choice(works)())
        died = asyncio.ensure_future(world.fate.died.wait())
        await asyncio.wait([work, died], return_when=asyncio.FIRST_COMPLETED)
        if world.fate.dead:
            work.cancel()
            await world.crash()
            await world.start()
            rotating = Rotating(world)
        elif (trouble := work.exception()) is not None:
            assert isinstance(trouble, LeaseholdError)
        world.fate.after(None)
        died.cancel()
        await asyncio.gather(work, died, return_exceptions=True)
        await what_is_given_out_opens(world, rotating)
        world.clock.advance(s=dice.choice([1, 30, DAY_S, 30 * DAY_S]))
    world.target.faults.clear()
    world.clock.advance(s=30 * DAY_S)
    for _ in range(6):
        world.clock.advance(s=1_000)
        await rotating.rotations.schedule.round()
    for place in (SINGLE, PAIR):
        assert opens(world, await read(rotating, place))
    assert rotating.rotations.troubles() == ()
    await world.stop()


async def what_is_given_out_opens(world: World, rotating: Rotating) -> None:
    """It is refused, or it opens: nobody gets what does not."""
    for place in (SINGLE, PAIR):
        try:
            found = await read(rotating, place)
        except LeaseholdError:
            continue
        assert opens(world, found)
