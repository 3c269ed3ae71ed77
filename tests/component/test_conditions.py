"""Denials, hours and fields, as those who ask meet them and as the audit tells them."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fakes.asking import Asking
from fakes.clock import on_virtual_time, virtual_clock
from fakes.policy import GRANTS, HOLDER, NOBODY_KNOWN, OPERATOR, ROLES, STRANGER, a_bundle
from fakes.routed import Routed
from fakes.world import World
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask
from leasehold.bundle import Bundle, Effect, Grant
from leasehold.conditions import Requirement, Window
from leasehold.errors import Denied, Invalid

PATH = "database/creds/reader"
TICKET = Requirement("reason", "^[A-Z]+-[0-9]+$")


def asking_why() -> Bundle:
    reader = replace(ROLES["database", "reader"], require=(TICKET,))
    return a_bundle(roles={**ROLES, ("database", "reader"): reader})


def with_rules(*rules: Grant) -> Bundle:
    return a_bundle(grants=(*GRANTS, *rules))


def denial(**changes) -> Grant:
    return Grant(
        identities=("holder",),
        paths=("database/creds/reader",),
        verbs=frozenset({"issue", "renew"}),
        effect=Effect.DENY,
        source="policy.yaml:9",
        **changes,
    )


@on_virtual_time
async def test_a_missing_reason_is_told_and_audited_and_nothing_is_made(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock(), asking_why()) as world:
        ask = Routed(world)
        for fields, words in (
            ({}, "reason: must be given; allowed is what matches"),
            ({"reason": "soon"}, "reason: found 'soon'; allowed is what matches"),
            ({"reason": "A-1\nB"}, "reason: holds a character that does not print"),
        ):
            with pytest.raises(Invalid, match=words):
                await ask("POST", f"/v1/{PATH}", HOLDER, fields)
        with pytest.raises(Denied):
            await ask("POST", f"/v1/{PATH}", NOBODY_KNOWN)
        assert await world.leases() == []
        told = [line["detail"]["rule"] for line in (await world.audited())[""]]
        assert told[0] == "policy.yaml:1 allows it, with reason ^[A-Z]+-[0-9]+$"
        assert (await ask("POST", f"/v1/{PATH}", HOLDER, {"reason": "ABC-1"})).status == 200
        assert (await ask("POST", "/v1/database/creds/brief", HOLDER)).status == 200


@on_virtual_time
async def test_a_reason_may_come_in_a_header(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock(), asking_why()) as world:
        path = dict(zip(("mount", "operation", "role"), PATH.split("/"), strict=True))
        asked = Ask(HOLDER, path, Fields({}), reason="ABC-1")
        assert (await Routed(world)._serve.issue(asked)).status == 200


@on_virtual_time
async def test_outside_the_hours_of_a_rule_it_is_denied_and_the_audit_says_why(
    tmp_path: Path,
) -> None:
    clock = virtual_clock()
    now = clock.wall(clock.now_ms())
    minute = now.hour * 60 + now.minute
    closed = Window(start_min=minute + 2, end_min=minute + 3)
    hours = replace(GRANTS[0], when=closed)
    async with World(tmp_path, clock, a_bundle(grants=(hours, GRANTS[1]))) as world:
        asking = Asking(world)
        request = await asking.tried(HOLDER, lambda caller: world.issue(PATH, caller=caller))
        told = await asking.explain(request)
        assert told["decision"]["rule"].startswith(f"policy.yaml:1 allows it {closed}, and it is")
        assert not (await asking.can(HOLDER, path=PATH))["allowed"]
        clock.advance(s=120)
        assert (await asking.can(HOLDER, path=PATH))["allowed"]
        lease = (await world.issue(PATH)).lease
        clock.advance(s=120)
        with pytest.raises(Denied):
            await world.issuance.renew(HOLDER, lease.id, 60)


@on_virtual_time
async def test_a_denial_holds_for_whom_it_names_and_for_no_other(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock(), with_rules(denial())) as world:
        with pytest.raises(Denied):
            await world.issue(PATH, caller=HOLDER)
        assert (await world.issue(PATH, caller=STRANGER)).lease.identity == "stranger"
        asking = Asking(world)
        found = await asking.can(HOLDER, path=PATH)
        assert (found["allowed"], found["why"]) == (False, "policy.yaml:9 denies it")
        seen = await asking.can(OPERATOR, path=PATH, **{"as": f"unix:uid={HOLDER.uid}"})
        assert seen["near"] == ["policy.yaml:1 alone would allow it"]


@on_virtual_time
async def test_a_denial_of_one_role_denies_what_is_below_every_prefix_of_it(tmp_path: Path) -> None:
    narrow = Grant(
        identities=("operator",),
        paths=("database/creds/reader",),
        verbs=frozenset({"revoke-any"}),
        effect=Effect.DENY,
        source="policy.yaml:9",
    )
    async with World(tmp_path, virtual_clock(), with_rules(narrow)) as world:
        for prefix, allowed in (
            ("", False),
            ("database/", False),
            ("database/creds/rea", False),
            ("database/creds/reader/", False),
            ("database/creds/reader/abc", False),
            ("database/creds/brief/", True),
            ("cache/", True),
        ):
            decision = world.access.decide_below(OPERATOR, prefix, "revoke-any")
            assert decision.allowed == allowed, prefix


@on_virtual_time
async def test_a_question_may_be_about_another_instant_and_other_fields(tmp_path: Path) -> None:
    window = Window(days=frozenset({0}), timezone="Europe/Berlin")
    bundle = asking_why()
    bundle = replace(bundle, grants=(replace(GRANTS[0], when=window), GRANTS[1]))
    async with World(tmp_path, virtual_clock(), bundle) as world:
        asking = Asking(world)
        monday, sunday = "2026-01-05T00:30+01:00", "2026-01-04T23:30Z"
        assert datetime.fromisoformat(sunday).astimezone(UTC) == datetime.fromisoformat(monday)
        for at in (monday, sunday):
            yes = await asking.can(HOLDER, path=PATH, at=at, reason="ABC-1")
            assert (yes["allowed"], yes["require"]) == (True, {"reason": TICKET.pattern})
        no = await asking.can(HOLDER, path=PATH, at=monday)
        assert (no["allowed"], no["require"]) == (False, {"reason": TICKET.pattern})
        assert not (await asking.can(HOLDER, path=PATH, at="2026-01-04T22:59Z"))["allowed"]
        with pytest.raises(Invalid, match="at: found 'soon'; allowed is an instant"):
            await asking.can(HOLDER, path=PATH, at="soon")
