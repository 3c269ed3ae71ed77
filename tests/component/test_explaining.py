"""What was decided on a request can be looked up by its id, by its caller and by operators."""

from dataclasses import replace
from pathlib import Path

import pytest

from fakes.asking import Asking
from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import Fault
from fakes.policy import (
    GRANTS,
    HOLDER,
    IDENTITIES,
    NOBODY_KNOWN,
    OPERATOR,
    STRANGER,
    a_bundle,
    roles_with,
)
from fakes.world import World
from leasehold.bundle import Grant, UnixMatch
from leasehold.errors import Denied, Invalid, NotFound
from leasehold.model import Caller

PATH = "database/creds/reader"
EVERYTHING = Grant(identities=("holder",), paths=("*",), verbs=frozenset({"issue"}), source="p:9")


@on_virtual_time
async def test_a_denial_is_explained_with_the_rule_that_is_missing(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        asking = Asking(world)
        request = await asking.tried(OPERATOR, lambda who: world.issue(PATH, caller=who))
        found = await asking.explain(request)
        assert found["decision"] == {
            "allowed": False,
            "path": PATH,
            "verb": "issue",
            "rule": "no rule allows it",
            "digest": "d" * 64,
            "identities": ["operator"],
            "generation": world.generation.number,
            "note": "policy.yaml:2 allows list, operate, revoke-any there, not issue;"
            " policy.yaml:1 allows it to holder, stranger",
        }
        assert found["caller"] == {"uid": 1002, "gid": 1002, "pid": 13}
        assert [event["event"] for event in found["events"]] == ["denied"]


@on_virtual_time
async def test_it_is_explained_by_the_policy_of_that_time(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        asking, before = Asking(world), world.generation.number
        request = await asking.tried(NOBODY_KNOWN, lambda who: world.issue(PATH, caller=who))
        world.serve(a_bundle(digest="e" * 64))
        decision = (await asking.explain(request))["decision"]
        assert (decision["generation"], decision["digest"]) == (before, "d" * 64)


@on_virtual_time
async def test_a_caller_sees_its_own_requests_without_what_is_for_operators(
    tmp_path: Path,
) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        asking = Asking(world)
        request = await asking.tried(NOBODY_KNOWN, lambda who: world.issue(PATH, caller=who))
        decision = (await asking.explain(request, NOBODY_KNOWN))["decision"]
        assert (decision["rule"], decision["note"]) == ("no rule allows it", "")
        assert decision["identities"] == []


@on_virtual_time
async def test_a_request_of_another_answers_like_one_that_never_was(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        asking = Asking(world)
        request = await asking.tried(HOLDER, lambda who: world.issue(PATH, caller=who))
        answers = []
        for each in (request, "f" * 8 + request[8:]):
            with pytest.raises(NotFound) as caught:
                await asking.explain(each, STRANGER)
            answers.append(str(caught.value).replace(each, "…"))
        assert answers[0] == answers[1]
        assert "or it was not yours" in answers[0]


@on_virtual_time
async def test_whom_the_kernel_cannot_map_owns_no_request(tmp_path: Path) -> None:
    unmapped = Caller(uid=65_534, gid=65_534, pid=1)
    async with World(tmp_path, virtual_clock()) as world:
        asking = Asking(world)
        request = await asking.tried(unmapped, lambda who: world.issue(PATH, caller=who))
        with pytest.raises(NotFound):
            await asking.explain(request, unmapped)
        assert (await asking.explain(request))["decision"]["identities"] == []


@pytest.mark.parametrize("text", ["", "x", "ABCDEF00-0000-0000-0000-000000000000", "../../etc"])
@on_virtual_time
async def test_what_is_no_request_id_is_told_so(tmp_path: Path, text: str) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        with pytest.raises(Invalid, match="allowed is the request_id of a reply"):
            await Asking(world).explain(text)


@on_virtual_time
async def test_an_issue_is_explained_from_its_rule_to_its_lease(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        asking = Asking(world)
        request = await asking.tried(HOLDER, lambda who: world.issue(PATH, caller=who))
        found = await asking.explain(request, HOLDER)
        assert found["decision"]["allowed"]
        assert found["decision"]["rule"] == "policy.yaml:1"
        [lease] = await world.leases()
        assert [(event["event"], event["lease"]) for event in found["events"]] == [
            ("intended", lease.id),
            ("issued", lease.id),
        ]


@on_virtual_time
async def test_what_the_policy_allows_and_comes_to_nothing_says_why(tmp_path: Path) -> None:
    bundle = a_bundle(grants=(*GRANTS, EVERYTHING), roles=roles_with("reader", max_leases=1))
    async with World(tmp_path, virtual_clock(), bundle) as world:
        asking = Asking(world)
        await world.issue(PATH)
        for path, why in (
            (PATH, "has 1 live leases of 1 allowed"),
            ("database/creds/nobody", "unknown role: nobody"),
            ("nowhere/creds/reader", "no engine is mounted at nowhere"),
        ):
            request = await asking.tried(HOLDER, lambda who, at=path: world.issue(at, caller=who))
            found = await asking.explain(request, HOLDER)
            assert found["decision"]["allowed"]
            assert found["decision"]["path"] == path
            [event] = found["events"]
            assert event["event"] == "no-effect"
            assert why in event["why"]


@on_virtual_time
async def test_an_issue_that_the_target_refuses_is_explained(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        asking = Asking(world)
        world.target.fail("issue", Fault.BEFORE)
        request = await asking.tried(HOLDER, lambda who: world.issue(PATH, caller=who))
        events = (await asking.explain(request))["events"]
        assert [event["event"] for event in events] == ["intended", "issue-failed"]
        assert events[1]["why"]


@on_virtual_time
async def test_renewals_are_explained_and_others_leases_are_no_ones_business(
    tmp_path: Path,
) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        asking, renew = Asking(world), world.issuance.renew
        lease_id = (await world.issue(PATH)).lease.id
        never = lease_id[:-4] + "aaaa"
        request = await asking.tried(HOLDER, lambda who: renew(who, lease_id, 60))
        found = await asking.explain(request, HOLDER)
        assert (found["decision"]["verb"], found["decision"]["rule"]) == ("renew", "policy.yaml:1")
        assert [event["event"] for event in found["events"]] == ["renewed"]

        told = []
        for each, note in (
            (lease_id, "the lease is holder's"),
            (never, "there is no such lease"),
        ):
            request = await asking.tried(STRANGER, lambda who, at=each: renew(who, at, 60))
            assert (await asking.explain(request))["decision"]["note"] == note
            seen = (await asking.explain(request, STRANGER))["decision"]
            told.append({**seen, "path": ""})
        assert told[0] == told[1]
        assert told[0]["rule"] == "there is no such lease, or it is not the caller's"
        assert not told[0]["allowed"]


@on_virtual_time
async def test_revocations_are_explained_by_ownership_or_by_the_rule(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        asking, revoke = Asking(world), world.issuance.revoke
        for caller, verb, rule in (
            (HOLDER, "revoke", "the lease is the caller's own"),
            (OPERATOR, "revoke-any", "policy.yaml:2"),
        ):
            lease_id = (await world.issue(PATH)).lease.id
            request = await asking.tried(caller, lambda who, at=lease_id: revoke(who, at))
            found = await asking.explain(request)
            assert (found["decision"]["verb"], found["decision"]["rule"]) == (verb, rule)
            assert [event["event"] for event in found["events"]] == ["revoking"]
            again = await asking.tried(caller, lambda who, at=lease_id: revoke(who, at))
            [event] = (await asking.explain(again))["events"]
            assert event["event"] == "no-effect"
            assert event["why"] == f"lease {lease_id} is revoked already"


@on_virtual_time
async def test_only_operators_ask_about_others(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        asking = Asking(world)
        with pytest.raises(Denied):
            await asking.can(HOLDER, path=PATH, **{"as": "unix:uid=1001"})
        assert (await asking.can(HOLDER, path=PATH))["allowed"]
        for uid, allowed in ((1000, True), (1001, True), (1002, False), (7, False)):
            found = await asking.can(OPERATOR, path=PATH, **{"as": f"unix:uid={uid}"})
            assert found["allowed"] == allowed
            assert bool(found["near"]) != allowed


@on_virtual_time
async def test_who_asks_about_itself_hears_nothing_of_others_rules(tmp_path: Path) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        found = await Asking(world).can(NOBODY_KNOWN, path=PATH)
        assert (found["allowed"], found["near"], found["identities"]) == (False, [], [])
        assert found["generation"] == world.generation.number


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "path must be specified"),
        ({"path": "///"}, "path must be specified"),
        ({"path": "x" * 257}, "has 257 characters; allowed are 256"),
        ({"path": PATH, "verb": "isue"}, "verb: found 'isue'; allowed are issue, renew"),
        ({"path": PATH, "as": "billing"}, "found 'billing'; allowed is unix:"),
        ({"path": PATH, "as": "unix:user=no-such-user-qqq"}, "this host has no user"),
    ],
)
@on_virtual_time
async def test_a_question_that_makes_no_sense_is_refused(
    tmp_path: Path, fields: dict[str, str], words: str
) -> None:
    async with World(tmp_path, virtual_clock()) as world:
        with pytest.raises(Invalid) as caught:
            await Asking(world).can(OPERATOR, **fields)
        assert words in str(caught.value)


@on_virtual_time
async def test_a_group_that_is_asked_about_counts_as_membership(tmp_path: Path) -> None:
    by_group = replace(IDENTITIES["holder"], match=(UnixMatch(gid=77),))
    bundle = a_bundle(identities={**IDENTITIES, "holder": by_group})
    async with World(tmp_path, virtual_clock(), bundle) as world:
        asking = Asking(world)
        for facts, allowed in (
            ("gid=77", True),
            ("uid=4000000001,gid=76,gid=77", True),
            ("gid=76", False),
        ):
            found = await asking.can(OPERATOR, path=PATH, **{"as": f"unix:{facts}"})
            assert found["allowed"] == allowed
