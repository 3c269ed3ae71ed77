"""The audit tells the life of a lease to its holder and to operators, across its files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import Fault
from fakes.policy import HOLDER, OPERATOR, STRANGER
from fakes.world import KEY, World
from leasehold.api.audit import AuditHandlers
from leasehold.api.audit_reader import AuditReader
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask
from leasehold.errors import EngineError, Invalid, NotFound
from leasehold.events.audit_line import KEY_PURPOSE
from leasehold.events.audit_rotation import Rotation
from leasehold.events.audit_search import AuditSearch
from leasehold.events.audit_story import story
from leasehold.model import Caller

REQUEST = "00000001-0000-0000-0000-000000000000"
ASKING = replace(HOLDER, request=REQUEST)


async def shown(world: World, caller: Caller = OPERATOR, **fields: str) -> dict[str, Any]:
    search = AuditSearch(world.state_dir / "audit.jsonl", KEY.derive(KEY_PURPOSE))
    handlers = AuditHandlers(world.access, AuditReader(search))
    reply = await handlers.lines(Ask(caller, {}, Fields(fields)))
    return reply.body["data"]


def kinds(found: dict[str, Any]) -> list[str]:
    return [line["event"] for line in found["lines"]]


@on_virtual_time
async def test_a_life_is_told_from_who_asked_to_why_it_ended(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        issued = await world.issue(caller=ASKING)
        await world.issuance.delivered(ASKING, issued)
        await world.issuance.renew(ASKING, issued.lease.id, 60)
        world.clock.advance(ms=61_000)
        await world.sweep()
        found = await shown(world, lease=issued.lease.id)
        assert kinds(found) == ["intended", "issued", "delivered", "renewed", "expired"]
        assert found["whole"]
        asked, made, _, moved, gone = found["lines"]
        assert (asked["detail"]["verb"], asked["detail"]["request"]) == ("issue", REQUEST)
        assert asked["detail"]["rule"] == "policy.yaml:1"
        assert made["detail"]["outcome"] == "made"
        assert made["detail"]["target"] == moved["detail"]["target"] == "id-of-one"
        assert moved["detail"]["outcome"] == "moved"
        assert (gone["cause"], gone["detail"]["outcome"]) == ("ttl", "removed")
        assert gone["detail"]["attempt"] == "1"


@on_virtual_time
async def test_every_attempt_to_take_an_account_away_is_told_with_how_it_went(
    tmp_path: Path,
) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        lease = (await world.issue()).lease
        world.target.fail("revoke", Fault.BEFORE)
        await world.issuance.revoke(HOLDER, lease.id)
        await world.settle()
        lines = (await shown(world, lease=lease.id))["lines"]
        ends = [(line["event"], line["detail"].get("attempt"), line["cause"]) for line in lines[2:]]
        assert ends == [
            ("revoking", None, "holder"),
            ("attempt-failed", "1", "holder"),
            ("revoked", "2", "holder"),
        ]
        assert lines[3]["detail"]["outcome"] in ("transient", "denied", "unknown")


@on_virtual_time
async def test_a_credential_that_was_not_handed_over_says_for_whom_it_was(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        issued = await world.issue(caller=ASKING)
        await world.issuance.undelivered(ASKING, issued)
        lines = (await shown(world, lease=issued.lease.id))["lines"]
        assert [line["event"] for line in lines] == ["intended", "issued", "revoking", "revoked"]
        assert (lines[2]["cause"], lines[2]["caller"]["uid"]) == ("undelivered", HOLDER.uid)
        assert lines[2]["detail"]["request"] == REQUEST


@on_virtual_time
async def test_a_failed_issue_and_a_failed_renewal_say_what_the_target_said(
    tmp_path: Path,
) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        lease = (await world.issue()).lease
        for verb, work in (
            ("issue", world.issue),
            ("renew", lambda: world.issuance.renew(HOLDER, lease.id, 60)),
        ):
            world.target.fail(verb, Fault.BEFORE)
            with pytest.raises(EngineError):
                await work()
        [failed] = [each for each in await world.leases() if each.id != lease.id]
        life = (await shown(world, lease=failed.id))["lines"]
        [told] = [line for line in life if line["event"] == "issue-failed"]
        assert told["detail"]["outcome"]
        assert told["detail"]["why"]
        last = (await shown(world, lease=lease.id))["lines"][-1]
        assert (last["event"], last["detail"]["verb"]) == ("no-effect", "renew")
        assert last["detail"]["outcome"]


@on_virtual_time
async def test_a_holder_sees_its_own_leases_and_nothing_of_others(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        lease = (await world.issue()).lease
        with pytest.raises(NotFound):
            await world.issuance.renew(STRANGER, lease.id, 60)
        assert kinds(await shown(world, HOLDER, lease=lease.id)) == ["intended", "issued"]
        assert kinds(await shown(world, OPERATOR, lease=lease.id)) == [
            "intended",
            "issued",
            "denied",
        ]
        answers = []
        for each in (lease.id, lease.id[:-4] + "aaaa"):
            with pytest.raises(NotFound) as caught:
                await shown(world, STRANGER, lease=each)
            answers.append(str(caught.value).replace(each, "…"))
        assert answers[0] == answers[1]


@on_virtual_time
async def test_a_request_is_told_by_itself_and_within_a_lease(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        lease = (await world.issue()).lease
        await world.issuance.revoke(ASKING, lease.id)
        assert kinds(await shown(world, request=REQUEST)) == ["revoking"]
        assert kinds(await shown(world, lease=lease.id, request=REQUEST)) == ["revoking"]


@on_virtual_time
async def test_a_life_over_many_files_is_told_as_one(tmp_path: Path) -> None:
    manifold = World(tmp_path, virtual_clock())
    manifold.rotation = Rotation(full_bytes=1)
    async with manifold as world:
        lease = (await world.issue()).lease
        await world.issue()
        await world.issuance.revoke(HOLDER, lease.id)
        assert len([*world.state_dir.glob("audit-*.jsonl")]) >= 4
        found = await shown(world, lease=lease.id)
        assert kinds(found) == ["intended", "issued", "revoking", "revoked"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "lease or request must be specified"),
        ({"lease": "x"}, "lease: found 'x'; allowed is the id of a lease"),
        ({"lease": 'a/b/c/d","event":"'}, "allowed is the id of a lease"),
        ({"request": "x"}, "request: found 'x'; allowed is the request_id of a reply"),
    ],
)
@on_virtual_time
async def test_what_is_no_id_is_told_so(tmp_path: Path, fields: dict[str, str], words: str) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        with pytest.raises(Invalid) as caught:
            await shown(world, **fields)
        assert words in str(caught.value)


@on_virtual_time
async def test_a_story_names_caller_rule_target_and_cause(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        lease = (await world.issue(caller=ASKING)).lease
        await world.issuance.revoke(HOLDER, lease.id)
        told = [*story((await shown(world, lease=lease.id))["lines"])]
    text = "\n".join(" | ".join(line) for line in told)
    assert f"asked for; the intent to make account {lease.account} for holder" in text
    assert f"asked by uid {HOLDER.uid}, gid {HOLDER.gid}, pid {HOLDER.pid}" in text
    assert "rule policy.yaml:1; of generation" in text
    assert f"request {REQUEST}" in text
    assert "the target said made; target id-of-one" in text
    assert "it has to end (cause: holder)" in text
    assert "the account is gone (cause: holder)" in text


def test_a_text_of_a_caller_cannot_steer_a_terminal() -> None:
    [(_, _, about)] = story([{"event": "denied", "detail": {"path": "a\x1b[2J\n\ud800é"}}])
    assert about == "at a\\x1b[2J\\n\\ud800é"


def test_a_line_of_a_later_leasehold_is_told_by_its_name() -> None:
    [(time, what, about)] = story([{"event": "token-issued", "detail": {"why": "so"}}])
    assert (time, what, about) == ("", "token-issued", "why so")
