"""A replica set: its primary steps down, members are silent, sessions end on every one of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from fakes.mongo_users import Refusal
from fakes.mongo_wire import Hangup
from fakes.mongod import Mongod, hand_over, mongod, replica_set
from leasehold.plugin import EngineTemporary
from leasehold.plugin.contract import REMOVED
from leasehold_plugins.mongodb import MongodbEngine
from servers.daemon import eventually
from servers.mongodb_engine import account_for, clear, engine_for, issue, opened, quiet

pytestmark = quiet

Work = Callable[[], dict[str, Any]]


@pytest.fixture
def members() -> Iterator[Sequence[Mongod]]:
    with replica_set() as members:
        yield members


@pytest.fixture
async def engine(members: Sequence[Mongod]) -> AsyncIterator[MongodbEngine]:
    async with opened(engine_for(members[0])) as engine:
        yield engine


def primary(members: Sequence[Mongod]) -> Mongod:
    return next(member for member in members if member.is_primary)


def names(members: Sequence[Mongod]) -> list[str]:
    users = members[0].users.users
    return [user for user, _ in users if user.startswith("lhtest")]


async def test_a_primary_that_has_stepped_down_is_left_for_the_next(
    engine: MongodbEngine, members: Sequence[Mongod]
) -> None:
    account = account_for(engine)
    hand_over(members)
    issued = await issue(engine, account)
    hand_over(members)
    assert await engine.revoke(account) == REMOVED
    assert not await engine.login(issued.credential)


def stepped_down_after(work: Work) -> dict[str, Any]:
    work()
    raise Refusal(11602, "interrupted due to a change of the replica set's state")


def cut_off_after(work: Work) -> dict[str, Any]:
    work()
    raise Hangup


def unconfirmed_by_a_step_down(work: Work) -> dict[str, Any]:
    return {**work(), "writeConcernError": {"code": 189, "errmsg": "stepped down"}}


def unconfirmed(work: Work) -> dict[str, Any]:
    return {**work(), "writeConcernError": {"code": 64, "errmsg": "waiting timed out"}}


@pytest.mark.parametrize("odd", [stepped_down_after, cut_off_after, unconfirmed_by_a_step_down])
async def test_a_command_that_was_done_and_not_confirmed_is_repeated(
    engine: MongodbEngine, members: Sequence[Mongod], odd: Any
) -> None:
    primary(members).at_next["createUser"] = odd
    account = account_for(engine)
    issued = await issue(engine, account)
    assert names(members) == [account.name]
    assert await engine.login(issued.credential)
    primary(members).at_next["dropUser"] = odd
    assert await engine.revoke(account) == REMOVED
    assert names(members) == []


async def test_what_no_majority_confirms_may_have_been_done(
    engine: MongodbEngine, members: Sequence[Mongod]
) -> None:
    primary(members).at_next["createUser"] = unconfirmed
    account = account_for(engine)
    with pytest.raises(EngineTemporary, match="majority of the replica set did not") as told:
        await issue(engine, account)
    assert told.value.outcome_unknown
    assert await engine.revoke(account) == REMOVED
    assert names(members) == []


async def test_an_account_is_not_gone_while_no_majority_confirms_it(
    engine: MongodbEngine, members: Sequence[Mongod]
) -> None:
    account = account_for(engine)
    await issue(engine, account)

    def undone(work: Work) -> dict[str, Any]:
        before = dict(members[0].users.users)
        reply = unconfirmed(work)
        members[0].users.users = before
        return reply

    primary(members).at_next["dropUser"] = undone
    with pytest.raises(EngineTemporary, match="majority of the replica set did not"):
        await engine.revoke(account)
    assert await engine.revoke(account) == REMOVED


async def test_an_account_that_is_gone_is_so_for_a_majority_before_it_counts(
    engine: MongodbEngine, members: Sequence[Mongod]
) -> None:
    account = account_for(engine)
    await issue(engine, account)
    # The primary has dropped it, and could still lose that.
    members[0].users.users.pop((account.name, "admin"))
    primary(members).at_next["updateUser"] = unconfirmed
    with pytest.raises(EngineTemporary, match="majority of the replica set did not"):
        await engine.revoke(account)
    assert await engine.revoke(account) == REMOVED


async def test_an_account_that_is_there_already_is_so_for_a_majority_before_it_counts(
    engine: MongodbEngine, members: Sequence[Mongod]
) -> None:
    primary(members).at_next["createUser"] = cut_off_after
    primary(members).at_next["updateUser"] = unconfirmed
    with pytest.raises(EngineTemporary, match="majority of the replica set did not"):
        await issue(engine, account_for(engine))


async def test_a_name_that_is_taken_is_refused_at_the_first_attempt(
    engine: MongodbEngine, members: Sequence[Mongod]
) -> None:
    account = account_for(engine)
    await issue(engine, account)
    with pytest.raises(Exception, match=r"exists already \(51003\)"):
        await issue(engine, account)


async def test_what_an_account_runs_ends_on_every_member(
    engine: MongodbEngine, members: Sequence[Mongod]
) -> None:
    account = account_for(engine)
    password = clear(await issue(engine, account))

    def read(member: Mongod) -> int | None:
        url = f"mongodb://{member.address}/?directConnection=true&readPreference=nearest"
        with MongoClient[Any](url, username=account.name, password=password) as client:
            try:
                client.app.slow.find_one()
            except OperationFailure as error:
                return error.code
        return None

    async with asyncio.TaskGroup() as tasks:
        reads = [tasks.create_task(asyncio.to_thread(read, member)) for member in members]
        begun = lambda: all(member.runs_something() for member in members)  # noqa: E731
        await asyncio.to_thread(eventually, begun)
        assert await engine.revoke(account) == REMOVED
    assert [task.result() for task in reads] == [11601] * 3


async def test_an_open_connection_may_do_nothing_more(
    engine: MongodbEngine, members: Sequence[Mongod]
) -> None:
    account = account_for(engine)
    password = clear(await issue(engine, account))
    url = f"mongodb://{members[0].address}/"
    with MongoClient[Any](url, username=account.name, password=password) as client:
        await asyncio.to_thread(client.app.items.find_one)
        assert await engine.revoke(account) == REMOVED
        with pytest.raises(OperationFailure) as told:
            await asyncio.to_thread(client.app.items.find_one)
        assert told.value.code == 13


async def test_sessions_of_an_account_that_is_gone_already_are_ended(
    engine: MongodbEngine, members: Sequence[Mongod]
) -> None:
    account = account_for(engine)
    await issue(engine, account)
    members[0].users.users.pop((account.name, "admin"))
    assert await engine.revoke(account) == REMOVED
    [asked] = [said for name, said in members[1].seen if name == "killAllSessions"]
    assert asked["killAllSessions"] == [{"user": account.name, "db": "admin"}]


async def test_a_member_that_is_away_holds_no_revocation_up_and_is_told(
    members: Sequence[Mongod],
) -> None:
    members[2].close()
    async with opened(engine_for(members[0])) as engine:
        account = account_for(engine)
        await issue(engine, account)
        assert await engine.revoke(account) == REMOVED
        async with asyncio.timeout(10):
            while (health := await engine.check()).ok:
                pass
    assert health.reason == f"no answer from {members[2].address}"
    assert not health.missing


async def test_every_mongos_forgets_an_account() -> None:
    with mongod(mongos=True) as one:
        async with opened(engine_for(one)) as engine:
            account = account_for(engine)
            await issue(engine, account)
            assert await engine.revoke(account) == REMOVED
        assert "invalidateUserCache" in [name for name, _ in one.seen]
