"""What is promised of a token, one claim each; the machine of `token_life` has the histories."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.clock import FakeClock
from fakes.policy import HOLDER, IDENTITIES, NOBODY_KNOWN, OPERATOR, STRANGER, a_bundle
from fakes.world import World
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask
from leasehold.api.renewals import FailedRenewals
from leasehold.api.tokens import TokenHandlers
from leasehold.bundle import TokenLimits
from leasehold.errors import Denied, Invalid
from leasehold.leases.tokens import DEEPEST
from leasehold.model import Caller, Cause, EventType, LeaseState, TlsPeer
from leasehold.secret import Secret
from leasehold.tokens.logins import cert, unix
from leasehold.tokens.tokens import Wish

REMOTE = Caller.over_tls(TlsPeer(address="192.0.2.7"))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, FakeClock()) as made:
        yield made


async def test_whoever_has_the_text_speaks_as_whoever_logged_in(world: World) -> None:
    made = await world.login(HOLDER)
    speaker = await world.speak(made.text, REMOTE)
    assert world.access.names(speaker) == ["holder"]
    assert speaker.token == made.token.accessor


async def test_the_audit_says_where_a_token_was_used_from(world: World) -> None:
    made = await world.login(HOLDER)
    for peer, told in ((REMOTE, "192.0.2.7"), (STRANGER, STRANGER.who)):
        speaker = await world.speak(made.text, peer)
        assert speaker.who == HOLDER.who
        lease = (await world.issue(caller=speaker)).lease
        asked = [line["caller"] for line in (await world.audited())[lease.id] if "caller" in line]
        assert {line["from"] for line in asked} == {told}


async def test_on_this_host_a_foreign_text_means_nothing_and_by_tls_it_is_refused(
    world: World,
) -> None:
    assert await world.speak(Secret("hvs.CAESIJ"), HOLDER) is HOLDER
    assert await world.speak(Secret(""), REMOTE) is REMOTE
    with pytest.raises(Denied, match=r"^permission denied$"):
        await world.speak(Secret("hvs.CAESIJ"), REMOTE)


async def test_a_token_of_ours_that_is_over_is_refused_on_this_host_too(world: World) -> None:
    """Else whoever gave it up would speak as itself, with more rights perhaps."""
    made = await world.login(STRANGER)
    await world.tokens.end(made.token.accessor, Cause.HOLDER)
    with pytest.raises(Denied):
        await world.speak(made.text, OPERATOR)
    [denied] = [line for line in (await world.audited())[""] if line["event"] == "denied"]
    assert denied["detail"]["rule"] == "the token is unknown, over, or used up"


async def test_a_wrapping_token_speaks_for_nobody(world: World) -> None:
    token, _ = await world.wrapping.wrap(HOLDER, "a/b", 60, {"data": {}})
    with pytest.raises(Denied):
        await world.speak(token, HOLDER)


async def test_a_change_of_policy_binds_a_token_that_was_issued_before(world: World) -> None:
    made = await world.login(HOLDER)
    others = {name: it for name, it in IDENTITIES.items() if name != "holder"}
    world.serve(a_bundle(identities=others))
    speaker = await world.speak(made.text)
    with pytest.raises(Denied):
        await world.issue(caller=speaker)


async def test_who_is_no_identity_gets_no_token(world: World) -> None:
    with pytest.raises(Denied):
        await world.login(NOBODY_KNOWN)


async def test_the_text_of_a_token_is_nowhere_at_rest(world: World) -> None:
    made = await world.login(HOLDER, meta={"job": "42"})
    await world.speak(made.text)
    everything = b"".join(f.read_bytes() for f in world.state_dir.iterdir() if f.is_file())
    assert made.token.accessor.encode() in everything
    assert made.text.reveal().encode() not in everything
    assert made.text.reveal() not in repr(made)


async def test_a_token_takes_its_leases_along_and_those_below_it(world: World) -> None:
    made = await world.login(HOLDER)
    speaker = await world.speak(made.text)
    child = await world.tokens.issue(speaker, HOLDER, "x", Wish(), made.token)
    of_child = await world.issue(caller=await world.speak(child.text))
    own, other = await world.issue(caller=speaker), await world.issue(caller=HOLDER)
    await world.tokens.end(made.token.accessor, Cause.HOLDER, HOLDER)
    with pytest.raises(Denied):
        await world.speak(child.text)
    await world.settle()
    for issued in (own, of_child):
        lease = await world.lease(issued.lease.id)
        assert (lease.state, lease.cause) == (LeaseState.REVOKED, Cause.TOKEN)
    assert (await world.lease(other.lease.id)).state is LeaseState.ACTIVE
    assert (await world.told()).count(EventType.TOKEN_REVOKED) == 2
    assert await world.tokens.page("", 10) == []


async def test_a_token_that_expires_takes_its_leases_along(world: World) -> None:
    made = await world.login(HOLDER, ttl_s=60)
    issued = await world.issue(caller=await world.speak(made.text))
    world.clock.advance(s=60)
    await world.settle()
    assert (await world.lease(issued.lease.id)).cause is Cause.TOKEN
    assert EventType.TOKEN_EXPIRED in await world.told()


async def test_no_lease_is_made_by_a_token_that_ended_while_it_was_asked_for(world: World) -> None:
    """The sweep may be over already; what was intended after it would live unbound."""
    made = await world.login(HOLDER)
    speaker = await world.speak(made.text)
    await world.tokens.end(made.token.accessor, Cause.HOLDER)
    with pytest.raises(Denied):
        await world.issue(caller=speaker)
    await world.settle()
    with pytest.raises(Denied):
        await world.issue(caller=speaker)
    assert await world.leases() == []


async def test_nothing_is_made_below_a_token_that_ended_meanwhile(world: World) -> None:
    made = await world.login(HOLDER)
    await world.tokens.end(made.token.accessor, Cause.HOLDER)
    with pytest.raises(Denied):
        await world.tokens.issue(HOLDER, HOLDER, "x", Wish(), made.token)


async def test_of_many_who_use_the_last_use_one_has_it(world: World) -> None:
    made = await world.login(HOLDER, uses=1)
    results = await asyncio.gather(
        *(world.speak(made.text) for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(result, Caller) for result in results) == 1
    assert sum(isinstance(result, Denied) for result in results) == 19


async def test_what_was_made_by_a_token_that_is_used_up_lives_as_long_as_the_token(
    world: World,
) -> None:
    made = await world.login(HOLDER, uses=1, ttl_s=120)
    issued = await world.issue(caller=await world.speak(made.text))
    await world.settle()
    assert (await world.lease(issued.lease.id)).state is LeaseState.ACTIVE
    world.clock.advance(s=120)
    await world.settle()
    assert (await world.lease(issued.lease.id)).state is LeaseState.REVOKED


async def test_a_shorter_maximum_of_the_policy_binds_the_next_renewal(world: World) -> None:
    made = await world.login(HOLDER)
    world.serve(a_bundle(tokens=TokenLimits(default_ttl_s=60, max_ttl_s=120)))
    world.clock.advance(s=30)
    renewed, warnings = await world.tokens.renew(HOLDER, made.token.accessor, 3_600)
    assert renewed.expires_ms == made.token.issued_ms + 120_000
    assert len(warnings) == 1
    world.clock.advance(s=90)
    with pytest.raises(Invalid):
        await world.tokens.renew(HOLDER, made.token.accessor, None)


async def test_a_token_that_is_not_renewable_is_told_so(world: World) -> None:
    made = await world.login(HOLDER, renewable=False)
    with pytest.raises(Invalid, match="lease is not renewable"):
        await world.tokens.renew(HOLDER, made.token.accessor, 60)


async def test_tokens_stand_below_each_other_to_a_limit(world: World) -> None:
    token = (await world.login(HOLDER)).token
    for _ in range(DEEPEST):
        made = await world.tokens.issue(HOLDER, HOLDER, "x", Wish(), token)
        assert (await world.speak(made.text)).token == made.token.accessor
        token = made.token
    with pytest.raises(Invalid, match="log in for a new one"):
        await world.tokens.issue(HOLDER, HOLDER, "x", Wish(), token)


async def test_a_token_that_cannot_be_handed_over_ends(world: World) -> None:
    made = await world.login(HOLDER)
    await world.tokens.undelivered(made.token)
    with pytest.raises(Denied):
        await world.speak(made.text)


async def test_a_damaged_row_is_no_token_and_stops_no_other(world: World, caplog) -> None:
    one, two = await world.login(HOLDER), await world.login(HOLDER, ttl_s=60)
    world._store._db.execute(
        "UPDATE token SET next_ms = 0, record = replace(record, '1000', '1002') WHERE accessor = ?",
        (one.token.accessor,),
    )
    world.clock.advance(s=61)
    await world.settle()
    with pytest.raises(Denied):
        await world.speak(one.text)
    assert await world.tokens.page("", 10) == []
    with pytest.raises(Denied):
        await world.speak(two.text)
    told = [it.getMessage() for it in caplog.records if one.token.accessor in it.getMessage()]
    assert len(told) == 1
    assert "does not verify" in told[0]


def test_a_method_attests_what_its_connection_proves_and_nothing_else() -> None:
    named = Caller.over_tls(TlsPeer(names=("dns:web",)))
    assert unix(replace(HOLDER, request="r", token="t")) == HOLDER
    assert cert(named) == named
    for method, peer in ((unix, named), (cert, HOLDER), (cert, REMOTE)):
        with pytest.raises(Invalid, match=f"method {method.__name__}: "):
            method(peer)


async def test_tokens_are_not_looked_through_for_nobody(world: World) -> None:
    for peer in (HOLDER, STRANGER, HOLDER):
        await world.login(peer)
    handlers = TokenHandlers(world.access, world.tokens, FailedRenewals(lambda: 0.0))

    async def listed(caller: Caller) -> int:
        reply = await handlers.tokens(Ask(caller, {}, Fields({})))
        return len(reply.body["data"]["tokens"])

    looked: list[str] = []
    world.fate.after(0, lambda: looked.append("the store was asked"))
    assert (await listed(NOBODY_KNOWN), looked) == (0, [])
    assert (await listed(HOLDER), looked) == (2, ["the store was asked"])
    assert await listed(OPERATOR) == 3
    speaker = await world.speak((await world.login(OPERATOR)).text)
    world.serve(a_bundle(identities={}))
    assert await listed(speaker) == 1, "its own, though it is no identity any more"
