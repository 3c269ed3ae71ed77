"""P7 and I7: default deny; what is not the caller's is as if it were not there."""

import asyncio
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.policy import GRANTS, HOLDER, NOBODY_KNOWN, OPERATOR, STRANGER, a_bundle
from fakes.world import World
from leasehold.access import MOST_DENIED
from leasehold.bundle import Grant
from leasehold.errors import Denied, Invalid, LimitReached, NotFound
from leasehold.failures import WINDOW_S
from leasehold.model import Caller, LeaseState, TlsPeer


@on_virtual_time
async def test_who_may_not_ask_is_told_so_and_that_is_audited(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        for caller, path in (
            (NOBODY_KNOWN, "database/creds/reader"),
            (OPERATOR, "database/creds/reader"),
            (HOLDER, "elsewhere/creds/reader"),
            (HOLDER, f"{'x' * 9_000}/creds/reader"),
        ):
            with pytest.raises(Denied):
                await world.issue(path, caller=caller)
        denials = (await world.audited())[""]
        assert [line["event"] for line in denials] == ["denied"] * 4
        assert denials[0]["caller"]["uid"] == 0
        assert len(denials[3]["detail"]["path"]) == 256
        assert await world.leases() == []


async def _looked_up(world: World, caller: Caller, lease_id: str) -> None:
    await world.inspection.lookup(caller, lease_id)


async def _issued(world: World, caller: Caller, lease_id: str) -> None:
    await world.issue(lease_id.rpartition("/")[0], caller=caller)


@on_virtual_time
async def test_who_is_denied_too_often_waits_and_fills_no_disk(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        lease = (await world.issue()).lease
        network = [Caller.over_tls(TlsPeer(address=f"2001:db8::{each}")) for each in range(3)]
        for number in range(MOST_DENIED):
            caller = network[number % 3]
            with pytest.raises((Denied, NotFound)):
                await (_looked_up, _issued)[number % 2](world, caller, lease.id)
        kept = len((await world.audited())[""])
        for ask in (
            world.issue("x/creds/x", caller=network[0]),
            world.inspection.lookup(network[1], lease.id),
        ):
            with pytest.raises(LimitReached, match="60 requests were denied within 60 s") as limit:
                await ask
            assert limit.value.retry_after_s == WINDOW_S
        assert len((await world.audited())[""]) == kept
        with pytest.raises(Denied):
            await world.issue("database/creds/reader", caller=NOBODY_KNOWN)
        world.clock.advance(s=int(WINDOW_S))
        with pytest.raises(Denied):
            await world.issue("database/creds/reader", caller=network[0])


@on_virtual_time
async def test_what_is_allowed_is_not_held_back_by_what_was_denied(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        for _ in range(MOST_DENIED + 1):
            with pytest.raises((Denied, LimitReached)):
                await world.issue("elsewhere/creds/reader")
        assert await world.issue()


@on_virtual_time
async def test_what_is_not_there_cannot_be_had(tmp_path: Path) -> None:
    everything = Grant(identities=("holder",), paths=("*",), verbs=frozenset({"issue"}))
    async with World(tmp_path, virtual_clock(), a_bundle(grants=(everything,))) as world:
        with pytest.raises(Invalid, match="unknown role: nobody"):
            await world.issue("database/creds/nobody")
        with pytest.raises(Invalid, match="offers creds, not sts"):
            await world.issue("database/sts/reader")
        with pytest.raises(NotFound, match="no engine is mounted at nowhere"):
            await world.issue("nowhere/creds/reader")


@on_virtual_time
async def test_a_lease_of_another_answers_like_one_that_never_was(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        issued = await world.issue()
        never = issued.lease.id[:-4] + "aaaa"
        for caller in (STRANGER, NOBODY_KNOWN):
            for verb in (
                lambda who, which: world.issuance.renew(who, which, 60),
                world.issuance.revoke,
                world.inspection.lookup,
            ):
                answers = []
                for lease_id in (issued.lease.id, never):
                    with pytest.raises(NotFound) as caught:
                        await verb(caller, lease_id)
                    answers.append(str(caught.value))
                assert answers[0] == answers[1]
        assert (await world.lease(issued.lease.id)).version == issued.lease.version


@on_virtual_time
async def test_a_holder_sees_its_own_leases_and_an_operator_sees_all(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        mine, theirs = await world.issue(), await world.issue(caller=STRANGER)
        for caller, seen in (
            (HOLDER, {mine.lease.id}),
            (STRANGER, {theirs.lease.id}),
            (OPERATOR, {mine.lease.id, theirs.lease.id}),
            (NOBODY_KNOWN, set()),
        ):
            found = await world.inspection.leases(caller)
            assert {lease.id for lease in found} == seen
        assert (await world.inspection.lookup(OPERATOR, mine.lease.id)).identity == "holder"


@pytest.mark.parametrize(
    ("path", "prefix", "sees"),
    [
        ("database/creds/reader", "database/creds/reader", False),
        ("database/creds/reader", "database/creds/reader/", True),
        ("database/creds/reader", "database/creds/", False),
        ("database/creds/rea", "database/creds/rea", False),
        ("database/creds/rea*", "database/creds/rea", True),
        ("database/creds/*", "database/creds/", True),
        ("database/creds/*", "database/", False),
        ("database/creds/*", "", False),
        ("*", "", True),
    ],
)
@on_virtual_time
async def test_a_prefix_shows_others_leases_only_where_all_below_it_may_be_listed(
    tmp_path: Path, path: str, prefix: str, sees: bool
) -> None:
    """A rule for `database/creds/reader` says nothing about a role `reader-all`."""
    lister = Grant(identities=("operator",), paths=(path,), verbs=frozenset({"list"}))
    async with World(tmp_path, virtual_clock(), a_bundle(grants=(GRANTS[0], lister))) as world:
        await world.issue()
        assert bool(await world.inspection.leases(OPERATOR, prefix=prefix)) == sees


@on_virtual_time
async def test_status_counts_and_says_what_is_not_well(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        for caller in (HOLDER, NOBODY_KNOWN):
            with pytest.raises(Denied):
                await world.inspection.status(caller)
            with pytest.raises(Denied):
                await world.inspection.engines(caller)
        issued = await world.issue()
        assert (await world.inspection.status(OPERATOR)).degraded == ()
        world.clock.suspect = True
        world.target.away = True
        await world.issuance.revoke(HOLDER, issued.lease.id)
        await asyncio.sleep(90)
        await world.sweep()
        status = await world.inspection.status(OPERATOR)
        assert status.counts.by_state[LeaseState.REVOKING] == 1
        assert status.events_waiting == 2
        overdue, clock = status.degraded
        assert overdue == "overdue: 1 accounts may stand past the end of their lease"
        assert clock.startswith("the wall clock stepped")


@on_virtual_time
async def test_identities_share_nothing_but_the_recipe(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        mine, theirs = await world.issue(), await world.issue(caller=STRANGER)
        assert (mine.lease.identity, theirs.lease.identity) == ("holder", "stranger")
        assert mine.lease.recipe_id == theirs.lease.recipe_id
        assert mine.credential.fields["password"] != theirs.credential.fields["password"]


@on_virtual_time
async def test_a_policy_that_changed_decides_about_old_leases(tmp_path: Path) -> None:
    """Whoever is no identity any more holds nothing; operators still reach the lease."""
    async with World(tmp_path, virtual_clock()) as world:
        issued = await world.issue()
        identities = {"operator": a_bundle().identities["operator"]}
        world.serve(a_bundle(identities=identities))
        with pytest.raises(NotFound):
            await world.issuance.revoke(HOLDER, issued.lease.id)
        assert await world.issuance.revoke(OPERATOR, issued.lease.id)
        assert not world.target.accounts
