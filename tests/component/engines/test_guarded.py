"""PL1: whatever a plugin does, the daemon sees an answer in time, or an EngineError."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import FakeEngine, FakeTarget, Fault
from leasehold.bundle import PasswordPolicy
from leasehold.engines.guard import MARGIN_S
from leasehold.engines.guarded import BATCH_S, ISSUE_LANE, REVOKE_LANE, GuardedEngine
from leasehold.errors import ConfigError, EngineError, EnginePermanent, EngineTemporary
from leasehold.plugin import Account, IssueRequest, Removal, Secret, Stage

LATER = datetime(2026, 1, 2, tzinfo=UTC)
REMOVED = Removal(stage=Stage.REMOVED)


def guarded(engine_class: type[FakeEngine] = FakeEngine) -> tuple[GuardedEngine, FakeTarget]:
    target = FakeTarget()
    made = type("Engine", (engine_class,), {"targets": {"one": target}})
    return GuardedEngine(made, "main", {"host": "one"}), target


def account(name: str = "lh_1") -> Account:
    return Account(name=name, target="target-1", role={})


def request(name: str = "lh_1") -> IssueRequest:
    return IssueRequest(
        account=account(name),
        expires_at=LATER,
        password_policy=PasswordPolicy(),
        comment="a test's",
    )


async def seconds(work: Any) -> float:
    """How long `work` took, whatever came of it."""
    clock = virtual_clock()
    began_ms = clock.now_ms()
    await asyncio.gather(work, return_exceptions=True)
    return (clock.now_ms() - began_ms) / 1000


@pytest.mark.parametrize("verb", ["open", "issue", "renew", "revoke", "login", "check"])
@on_virtual_time
async def test_a_call_that_hangs_ends_in_time_and_may_have_been_done(verb: str) -> None:
    engine, target = guarded()
    calls = {
        "open": engine.ready,
        "issue": lambda: engine.issue(request()),
        "renew": lambda: engine.renew(account(), LATER),
        "revoke": lambda: engine.revoke_many([account()]),
        "login": lambda: engine.login({}),
        "check": lambda: engine.check([]),
    }
    if verb != "open":
        await engine.ready()
    target.fail(verb, Fault.HANG)
    took_s = await seconds(calls[verb]())
    more_s = BATCH_S if verb == "revoke" else MARGIN_S
    assert took_s == pytest.approx(engine.statement_timeout_s + more_s, abs=0.1)
    target.fail(verb, Fault.HANG)
    if verb == "check":
        assert "no answer within" in (await engine.check([])).reason
    else:
        with pytest.raises(EngineTemporary, match="no answer within") as caught:
            await calls[verb]()
        assert caught.value.outcome_unknown


@pytest.mark.parametrize("fault", [Fault.DEFECT, Fault.NONSENSE])
@on_virtual_time
async def test_a_plugins_defect_is_temporary_and_its_text_stays_inside(fault, caplog) -> None:
    engine, target = guarded()
    target.fail("revoke", fault)
    with pytest.raises(EngineTemporary, match="a defect of engine type fake") as caught:
        await engine.revoke_many([account()])
    assert caught.value.outcome_unknown
    assert "hunter2" not in str(caught.value) + caplog.text


@on_virtual_time
async def test_too_few_answers_are_no_answers() -> None:
    class Forgetful(FakeEngine):
        async def revoke_many(self, accounts):
            return (await super().revoke_many(accounts))[1:]

    engine, _ = guarded(Forgetful)
    with pytest.raises(EngineTemporary, match="defect"):
        await engine.revoke_many([account("a"), account("b")])


def test_a_plugin_that_does_not_take_its_connection_is_told_without_its_text() -> None:
    class Changed(FakeEngine):
        def __init__(self, name, connection):
            raise KeyError(connection)

    with pytest.raises(ConfigError, match="does not take its connection") as caught:
        guarded(Changed)
    assert caught.value.__cause__ is None
    assert "KeyError" in str(caught.value)


@on_virtual_time
async def test_a_no_of_the_target_is_passed_on_as_it_is_and_the_target_is_there() -> None:
    engine, target = guarded()
    for _ in range(10):
        target.fail("issue", Fault.REFUSED)
        with pytest.raises(EnginePermanent, match="42501"):
            await engine.issue(request())
    assert not engine.breaker.is_open


@on_virtual_time
async def test_revocations_never_wait_behind_callers_who_want_accounts() -> None:
    engine, target = guarded()
    await engine.ready()
    target.fail("issue", *[Fault.HANG] * ISSUE_LANE)
    issues = [asyncio.create_task(engine.issue(request())) for _ in range(ISSUE_LANE * 2)]
    await asyncio.sleep(1)
    assert await seconds(engine.revoke_many([account()])) == 0
    results = await asyncio.gather(*issues, return_exceptions=True)
    busy = [result for result in results if "is busy" in str(result)]
    assert len(busy) == ISSUE_LANE, "who waited ten seconds for a lane was told to come again"
    assert not any(result.outcome_unknown for result in busy)


@on_virtual_time
async def test_a_lane_is_given_back_after_every_end_of_a_call() -> None:
    engine, target = guarded()
    await engine.ready()
    for fault in (Fault.HANG, Fault.DEFECT, Fault.REFUSED, Fault.BEFORE) * REVOKE_LANE:
        target.fail("revoke", fault)
        await asyncio.gather(engine.revoke_many([account()]), return_exceptions=True)
        await asyncio.sleep(20)
    cancelled = asyncio.create_task(engine.revoke_many([account()]))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    results = await asyncio.gather(*(engine.revoke_many([account()]) for _ in range(20)))
    assert results == [[REMOVED]] * 20


@on_virtual_time
async def test_a_target_that_is_away_is_asked_once_in_ten_seconds() -> None:
    engine, target = guarded()
    await engine.ready()
    target.away = True
    for _ in range(3):
        await asyncio.gather(engine.issue(request()), return_exceptions=True)
    assert engine.state == "down"
    target.calls.clear()
    for _ in range(60):
        with pytest.raises(EngineTemporary):
            await engine.revoke_many([account()])
        with pytest.raises(EngineTemporary):
            await engine.ready()
        await asyncio.sleep(1)
    assert target.calls == {"check": 5}
    target.away = False
    await asyncio.sleep(10)
    await engine.ready()
    assert engine.state == "ready"
    assert engine.breaker.reason == ""


@on_virtual_time
async def test_a_target_that_refuses_to_be_asked_whether_it_is_back_is_not() -> None:
    """As PostgreSQL does when somebody changed the administrator's password."""
    engine, target = guarded()
    await engine.ready()
    target.fail("issue", *[Fault.BEFORE] * 3)
    for _ in range(3):
        await asyncio.gather(engine.issue(request()), return_exceptions=True)
    target.fail("check", Fault.REFUSED)
    await asyncio.sleep(10)
    with pytest.raises(EnginePermanent):
        await engine.ready()
    assert engine.state == "down"
    await asyncio.sleep(10)
    await engine.ready()
    assert engine.state == "ready"


@on_virtual_time
async def test_while_a_target_is_away_the_answer_says_why_and_when_to_come_again() -> None:
    engine, target = guarded()
    await engine.ready()
    target.away = True
    for _ in range(3):
        await asyncio.gather(engine.issue(request()), return_exceptions=True)
    with pytest.raises(EngineTemporary) as caught:
        await engine.issue(request())
    assert str(caught.value) == ("main is away (the target cannot be reached); next try in 10 s")
    assert not caught.value.outcome_unknown, "nothing was sent"


@on_virtual_time
async def test_a_target_that_is_gone_is_noticed_by_revocations_alone() -> None:
    """Also when the engine answers one error an account, as the base class does."""
    engine, target = guarded()
    await engine.ready()
    target.away = True
    for _ in range(3):
        with pytest.raises(EngineTemporary):
            await engine.revoke_many([account("a"), account("b")])
    assert engine.breaker.is_open


@on_virtual_time
async def test_accounts_that_cannot_go_just_now_do_not_make_the_target_count_as_away() -> None:
    engine, target = guarded()
    locked = EngineTemporary("a lock is held (55P03)")
    target.stubborn = {"a": locked, "b": locked}
    for _ in range(10):
        assert await engine.revoke_many([account("a"), account("b")]) == [locked, locked]
    assert not engine.breaker.is_open


@on_virtual_time
async def test_many_callers_share_one_attempt_to_open_and_its_failure() -> None:
    engine, target = guarded()
    target.fail("open", Fault.HANG)

    async def all_together() -> None:
        results = await asyncio.gather(*(engine.ready() for _ in range(50)), return_exceptions=True)
        assert all(isinstance(result, EngineError) for result in results)

    assert await seconds(all_together()) == pytest.approx(10 + MARGIN_S, abs=0.1)
    assert target.calls["open"] == 1
    await asyncio.gather(*(engine.ready() for _ in range(50)))
    assert target.calls["open"] == 2


@on_virtual_time
async def test_who_gives_up_waiting_for_an_attempt_to_open_spoils_it_for_nobody() -> None:
    engine, _ = guarded()
    first = asyncio.create_task(engine.ready())
    others = [asyncio.create_task(engine.ready()) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(*others)
    assert engine.state == "ready"


@on_virtual_time
async def test_a_close_that_hangs_is_left_behind() -> None:
    class Clinging(FakeEngine):
        async def close(self) -> None:
            await asyncio.Event().wait()

    engine, _ = guarded(Clinging)
    assert await seconds(engine.close()) == pytest.approx(MARGIN_S, abs=0.1)


@on_virtual_time
async def test_accounts_are_paged_through_the_guard() -> None:
    engine, target = guarded()
    for name in ("b", "a"):
        target.make(name, LATER)
    assert [name async for name in engine.accounts("^")] == ["a", "b"]
    target.away = True
    with pytest.raises(EngineTemporary):
        assert [name async for name in engine.accounts("^")]


async def test_a_password_that_the_target_undid_after_it_opened_is_given_again() -> None:
    _, target = guarded()
    target.root = "old"
    made = type("Engine", (FakeEngine,), {"targets": {"one": target}})
    before, after = ({"host": "one", "password": Secret(each)} for each in ("old", "new"))
    engine = GuardedEngine(made, "main", before)
    await engine.ready()
    for sent, fault in ((False, Fault.AFTER), (True, Fault.BEFORE)):
        target.fail("rotate_root", fault)
        with pytest.raises(EngineTemporary):
            await engine.turn(before, after, Secret("new"), sent=sent)
        assert target.root == "new"
    target.root = "old"  # as where a majority never had it
    await engine.turn(before, after, Secret("new"), sent=True)
    assert target.root == "new"
    await engine.probe()
