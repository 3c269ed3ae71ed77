"""Whose an account is and why: kept with its lease, told to the target, found by its name."""

from dataclasses import replace
from pathlib import Path

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.policy import HOLDER, OPERATOR, ROLES, a_bundle
from fakes.routed import Routed
from fakes.world import KEY, World
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask
from leasehold.api.whois import WhoisHandlers
from leasehold.conditions import Requirement
from leasehold.errors import Denied, NotFound
from leasehold.events.messages import event_message
from leasehold.leases.names import AccountNames

PATH = "database/creds/reader"
WHY = {"reason": "ABC-1", "approved_by": "ada"}


def a_world(folder: Path, **changes) -> World:
    asked = (Requirement("approved_by", "[a-z]+"), Requirement("reason", "[A-Z]+-[0-9]+"))
    reader = replace(ROLES["database", "reader"], require=asked, **changes)
    bundle = a_bundle(roles={**ROLES, ("database", "reader"): reader})
    return World(folder, virtual_clock(), bundle)


async def issued(world: World) -> str:
    reply = await Routed(world)("POST", f"/v1/{PATH}", HOLDER, {**WHY, "stray": "x"})
    return reply.body["lease_id"]


def whois(world: World) -> WhoisHandlers:
    names = AccountNames(world.store.deployment_id, KEY.derive("account tag"))
    return WhoisHandlers(world.access, world.store, names, world.clock)


@on_virtual_time
async def test_what_was_asked_for_stays_with_the_lease_and_goes_to_audit_and_events(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        lease_id = await issued(world)
        ask = Routed(world)
        shown = await ask("POST", "/v1/sys/leases/lookup", HOLDER, {"lease_id": lease_id})
        assert shown.body["data"]["labels"] == WHY
        listed = await world.inspection.leases(OPERATOR)
        assert [lease.labels for lease in listed] == [WHY]
        for line in (await world.audited())[lease_id]:
            assert line["labels"] == WHY
        for entry in await world.store.outbox(10):
            message = event_message(entry.event, entry.seq, deployment="d", wall=world.clock.wall)
            assert b'"labels":{"approved_by":"ada","reason":"ABC-1"}' in message.payload
        await world.crash()
        await world.start()
        assert (await world.lease(lease_id)).labels == WHY


@on_virtual_time
async def test_the_target_is_told_unless_the_role_says_no(tmp_path: Path) -> None:
    for annotate in (True, False):
        async with a_world(tmp_path / str(annotate), annotate=annotate) as world:
            lease = await world.lease(await issued(world))
            [request] = world.target.requests
            own = {"lease": lease.id, "identity": "holder", "owner": "team-holder"}
            told = {**WHY, **own, "tenant": "holder"}
            assert request.labels == (told if annotate else {})
            assert request.comment == (
                f"leasehold {lease.id} for holder; approved_by ada; owner team-holder;"
                " reason ABC-1; tenant holder"
                if annotate
                else f"leasehold {lease.id}"
            )


@on_virtual_time
async def test_an_account_leads_to_its_lease_even_when_that_is_over(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        lease = await world.lease(await issued(world))
        ask = whois(world).whois
        for state in ("active", "revoked"):
            for account in (lease.account, f"{lease.account}@10.0.0.1"):
                found = (await ask(Ask(OPERATOR, {"account": account}, Fields({})))).body["data"]
                assert found["lease_id"] == lease.id
                assert (found["identity"], found["owner"]) == ("holder", "team-holder")
                assert (found["labels"], found["state"]) == (WHY, state)
            await world.issuance.revoke(HOLDER, lease.id)
        with pytest.raises(Denied):
            await ask(Ask(HOLDER, {"account": lease.account}, Fields({})))


@on_virtual_time
async def test_what_is_no_account_of_ours_is_told_apart(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        account = (await world.lease(await issued(world))).account
        other = AccountNames(world.store.deployment_id, KEY.derive("account tag"))
        never = other.core(f"{PATH}/{'a' * 26}")
        forged = account[:-4] + ("aaaa" if account[-4:] != "aaaa" else "bbbb")
        foreign = AccountNames("elsewhere", b"k" * 32).core(f"{PATH}/{'a' * 26}")
        for name, words in (
            ("postgres", "is not the name of an account of leasehold"),
            (forged, "looks like an account of ours, and is none"),
            (foreign, "of another deployment"),
            (never, "its lease is not kept"),
        ):
            with pytest.raises(NotFound, match=words):
                await whois(world).whois(Ask(OPERATOR, {"account": name}, Fields({})))
