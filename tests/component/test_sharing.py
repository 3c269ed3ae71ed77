"""A credential is given again to its own holder, for a while, and never to anybody else."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from component.test_holders import somebody
from fakes.clock import on_virtual_time, virtual_clock
from fakes.policy import (
    GRANTS,
    HOLDER,
    IDENTITIES,
    OPERATOR,
    STRANGER,
    a_bundle,
    roles_with,
)
from fakes.replacing import replacing_of
from fakes.sharing import PATH, SHARED, WITHIN_S, SharingWorld
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask, Handlers
from leasehold.api.secrets import SecretsHandlers
from leasehold.bundle import Bind, Identity, TlsMatch
from leasehold.errors import Frozen, QuotaReached
from leasehold.handing import Succession
from leasehold.leases.matching import Match
from leasehold.model import Caller, Cause, EventType, LeaseState, Process, TlsPeer
from leasehold.quota import Kind, Quota, Quotas

AGAIN = replace(HOLDER, pid=99, request="b")


@on_virtual_time
async def test_a_holder_that_starts_anew_gets_what_it_had_with_what_is_left(tmp_path: Path) -> None:
    async with SharingWorld(tmp_path, virtual_clock()) as world:
        first = await world.given()
        await asyncio.sleep(10)
        again = await world.given(AGAIN)
        assert again.lease.id == first.lease.id
        assert again.credential == first.credential
        assert (first.ttl_s, again.ttl_s) == (3_600, 3_590)
        assert "lease of 10 s ago again" in again.warnings[0]
        assert len(world.target.accounts) == 1
        assert await world.told() == [EventType.ISSUED, EventType.SHARED]
        lines = (await world.audited())[first.lease.id]
        told = [line["event"] for line in lines]
        assert told[:4] == ["intended", "issued", "delivered", "shared"]
        shared = lines[3]
        assert shared["caller"]["pid"] == AGAIN.pid
        assert (shared["detail"]["rule"], shared["detail"]["age"]) == ("policy.yaml:1", "10s")
        assert "hunter2" not in str(lines)


@pytest.mark.parametrize("later_s", [WITHIN_S, 2 * WITHIN_S])
@on_virtual_time
async def test_the_span_runs_from_the_issue_and_is_not_drawn_out(
    tmp_path: Path, later_s: int
) -> None:
    async with SharingWorld(tmp_path, virtual_clock()) as world:
        first = await world.given()
        await asyncio.sleep(WITHIN_S - 1)
        assert (await world.given()).lease.id == first.lease.id
        await asyncio.sleep(later_s - WITHIN_S + 1)
        assert (await world.given()).lease.id != first.lease.id


@pytest.mark.parametrize(
    "other",
    [
        {"ttl_s": 600},
        {"path": "database/creds/brief"},
        {"caller": STRANGER},
        {"caller": replace(HOLDER, groups=frozenset({1000, 4}))},
        {"caller": replace(HOLDER, process=Process({"unit": "b.service"}))},
        {"alone": True},
    ],
)
@on_virtual_time
async def test_who_is_another_or_asks_for_another_thing_gets_its_own(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    async with SharingWorld(tmp_path, virtual_clock()) as world:
        first = await world.given()
        caller, path = other.pop("caller", HOLDER), other.pop("path", PATH)
        issued = await world.issuance.issue(caller, *path.split("/"), **other)
        assert issued.lease.id != first.lease.id
        assert len(world.target.accounts) == 2


@on_virtual_time
async def test_a_field_of_the_request_tells_two_apart(tmp_path: Path) -> None:
    async with SharingWorld(tmp_path, virtual_clock()) as world:

        async def ask(reason: str) -> str:
            parts = PATH.split("/")
            issued = await world.issuance.issue(HOLDER, *parts, given=lambda _: {"reason": reason})
            await world.issuance.delivered(HOLDER, issued)
            return issued.lease.id

        assert await ask("A-1") == await ask("A-1") != await ask("A-2")


@on_virtual_time
async def test_a_certificate_is_known_by_its_names_wherever_it_comes_from(tmp_path: Path) -> None:
    web = Identity(name="web", owner="o", tenant="t", match=(TlsMatch(san="dns:web"),))
    grants = (replace(GRANTS[0], identities=("web",)), *GRANTS[1:])
    bundle = a_bundle(roles=SHARED, identities={**IDENTITIES, "web": web}, grants=grants)
    async with SharingWorld(tmp_path, virtual_clock(), bundle) as world:
        peers = [
            TlsPeer(("dns:web",), ("f" * 64,), "1", "10.0.0.1"),
            TlsPeer(("dns:web",), ("f" * 64,), "2", "10.0.0.2"),
            TlsPeer(("dns:web", "dns:other"), ("f" * 64,), "3", "10.0.0.1"),
        ]
        first, renewed, other = [(await world.given(Caller.over_tls(it))).lease.id for it in peers]
        assert first == renewed != other


@on_virtual_time
async def test_each_token_has_leases_of_its_own(tmp_path: Path) -> None:
    async with SharingWorld(tmp_path, virtual_clock()) as world:
        callers = [await world.speak((await world.login()).text) for _ in range(2)]
        one, one_again, two = [
            (await world.given(caller)).lease.id for caller in (callers[0], callers[0], callers[1])
        ]
        assert one == one_again != two


@on_virtual_time
async def test_a_process_that_leases_are_bound_to_shares_with_no_other(tmp_path: Path) -> None:
    bundle = a_bundle(roles=roles_with("reader", share_s=WITHIN_S, bind=Bind.PROCESS))
    found = []
    async with SharingWorld(tmp_path, virtual_clock(), bundle) as world:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            with somebody(tmp_path / name) as (peer, _):
                caller = replace(HOLDER, socket=peer.socket)
                found += [(await world.given(caller)).lease.id for _ in range(2)]
    assert found[0] == found[1] != found[2] == found[3]


@pytest.mark.parametrize("how", ["revoked", "renewed", "ordered", "expired", "half over"])
@on_virtual_time
async def test_what_has_ended_or_was_renewed_or_grows_old_is_not_given_again(
    tmp_path: Path, how: str
) -> None:
    async with SharingWorld(tmp_path, virtual_clock()) as world:
        first = await world.given(path="database/creds/brief", ttl_s=40)
        lease_id = first.lease.id
        match how:
            case "revoked":
                await world.issuance.revoke(OPERATOR, lease_id)
            case "renewed":
                await asyncio.sleep(1)
                await world.issuance.renew(HOLDER, lease_id, None)
            case "ordered":
                await world.ending.begin([first.lease], Cause.OPERATOR, world.clock.now_ms())
            case "expired":
                world.clock.advance(s=41)
            case _:
                world.clock.advance(s=20)
        assert (await world.given(path="database/creds/brief", ttl_s=40)).lease.id != lease_id


@on_virtual_time
async def test_what_was_replaced_is_not_given_again(tmp_path: Path) -> None:
    most = Succession(overlap_s=3_599, grace_s=60)
    roles = roles_with("reader", share_s=WITHIN_S, succession=most)
    async with SharingWorld(tmp_path, virtual_clock(), a_bundle(roles=roles)) as world:
        first = await world.given()
        await asyncio.sleep(2)
        issued, _ = await replacing_of(world).replace(HOLDER, first.lease.id)
        again = await world.given(AGAIN)
        assert again.lease.id not in (first.lease.id, issued.lease.id)
        assert again.ttl_s == 3_600


@on_virtual_time
async def test_a_frozen_holder_gets_nothing_again(tmp_path: Path) -> None:
    async with SharingWorld(tmp_path, virtual_clock()) as world:
        await world.given()
        world.freeze.stand("i-1", Match({"identity": "holder"}))
        with pytest.raises(Frozen):
            await world.given()


@on_virtual_time
async def test_another_policy_begins_anew_and_so_does_a_restart(tmp_path: Path) -> None:
    async with SharingWorld(tmp_path, virtual_clock()) as world:
        first = (await world.given()).lease.id
        world.serve(world.generation.bundle)
        second = (await world.given()).lease.id
        await world.crash()
        await world.start()
        third = (await world.given()).lease.id
        world.issuance.forget()
        fourth = (await world.given()).lease.id
        assert len({first, second, third, fourth}) == 4


@on_virtual_time
async def test_nothing_is_kept_longer_than_the_span(tmp_path: Path) -> None:
    async with SharingWorld(tmp_path, virtual_clock()) as world:
        await world.given()
        assert world.issuance._sharing._kept
        await asyncio.sleep(WITHIN_S)
        assert not world.issuance._sharing._kept


@on_virtual_time
async def test_a_crash_loop_makes_one_lease_and_is_bounded_by_its_quota_across_restarts(
    tmp_path: Path,
) -> None:
    quotas = Quotas(defaults={Kind.IDENTITY: Quota(max_leases=2)})
    bundle = a_bundle(roles=SHARED, quotas=quotas)
    async with SharingWorld(tmp_path, virtual_clock(), bundle) as world:
        found = {(await world.given(replace(HOLDER, pid=pid))).lease.id for pid in range(2, 60)}
        assert len(found) == 1
        for _ in range(2):
            await world.crash()
            await world.start()
            try:
                found.add((await world.given()).lease.id)
            except QuotaReached:
                assert len(found) == 2
        assert len(found) == 2


@on_virtual_time
async def test_who_asks_many_times_at_once_makes_one_lease(tmp_path: Path) -> None:
    async with SharingWorld(tmp_path, virtual_clock()) as world:
        results = await asyncio.gather(*(world.issue() for _ in range(10)))
        assert len({each.lease.id for each in results}) == 1


@pytest.mark.parametrize("arrives", [0, 1, None])
@on_virtual_time
async def test_a_lost_reply_ends_the_lease_only_if_none_arrived(
    tmp_path: Path, arrives: int | None
) -> None:
    async with SharingWorld(tmp_path, virtual_clock()) as world:
        replies = [await world.issue(), await world.issue()]
        lost = [reply for number, reply in enumerate(replies) if number != arrives]
        if arrives is not None:
            await world.issuance.delivered(HOLDER, replies[arrives])
        for reply in lost:
            await world.issuance.undelivered(HOLDER, reply)
        lease = await world.lease(replies[0].lease.id)
        if arrives is None:
            assert (lease.state, lease.cause) == (LeaseState.REVOKED, Cause.UNDELIVERED)
            assert (await world.given()).lease.id != lease.id
        else:
            assert lease.state is LeaseState.ACTIVE
            assert (await world.given()).lease.id == lease.id


@pytest.mark.parametrize("after", range(6))
@on_virtual_time
async def test_who_hangs_up_while_a_lease_is_shared_does_not_end_it_for_the_other(
    tmp_path: Path, after: int
) -> None:
    async with SharingWorld(tmp_path, virtual_clock()) as world:
        first = await world.issue()
        task = asyncio.create_task(world.issue())
        # Not at once, which would be the task that ends itself.
        world.fate.after(after, lambda: asyncio.get_running_loop().call_soon(task.cancel))
        [second] = await asyncio.gather(task, return_exceptions=True)
        world.fate.after(None)
        await world.issuance.undelivered(HOLDER, first)
        await world.finish_what_is_under_way()
        hung_up = isinstance(second, asyncio.CancelledError)
        state = (await world.lease(first.lease.id)).state
        assert state is (LeaseState.REVOKED if hung_up else LeaseState.ACTIVE)


@on_virtual_time
async def test_a_rotation_and_a_wrapped_reply_are_never_shared(tmp_path: Path) -> None:
    async with SharingWorld(tmp_path, virtual_clock()) as world:
        serve = Handlers(world.issuance, world.inspection, None)
        secrets = SecretsHandlers(world.access, world.issuance, serve, {})
        first = await world.given()
        rotated = await secrets.rotate(Ask(HOLDER, {"path": PATH}, Fields({})))
        path = dict(zip(("mount", "operation", "role"), PATH.split("/"), strict=True))
        wrapped = await serve.issue(Ask(HOLDER, path, Fields({}), wrap_s=60))
        read = await serve.issue(Ask(HOLDER, path, Fields({})))
        ids = [reply.body["lease_id"] for reply in (rotated, wrapped, read)]
        assert ids[2] == first.lease.id
        assert len({*ids}) == 3


@on_virtual_time
async def test_without_share_each_request_is_answered_with_a_lease_of_its_own(
    tmp_path: Path,
) -> None:
    async with SharingWorld(tmp_path, virtual_clock(), a_bundle()) as world:
        assert (await world.given()).lease.id != (await world.given()).lease.id
        assert not world.issuance._sharing._kept
