"""Passwords of users that stand, changed where a primary may step down in the middle of it."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest

from fakes.mongo_users import Refusal
from fakes.mongo_wire import Hangup
from fakes.mongod import ADMIN, PASSWORD, Mongod, hand_over, mongod, replica_set
from leasehold.plugin import EnginePermanent, EngineTemporary, ErrorClass, Secret
from leasehold_plugins.mongodb import MongodbEngine
from servers.mongodb_engine import READER, account_for, engine_for, issue, opened, quiet

pytestmark = quiet

NEW = Secret("a-password-of-a-test-0123456789")
Work = Callable[[], dict[str, Any]]


@pytest.fixture
def members() -> Iterator[Sequence[Mongod]]:
    with replica_set() as members:
        members[0].users.add("billing", "old", [{"role": "read", "db": "app"}])
        yield members


@pytest.fixture
async def engine(members: Sequence[Mongod]) -> AsyncIterator[MongodbEngine]:
    async with opened(engine_for(*members)) as engine:
        yield engine


async def opens(engine: MongodbEngine, user: str, password: str) -> bool:
    return await engine.login({"username": user, "password": Secret(password)})


def primary(members: Sequence[Mongod]) -> Mongod:
    return next(member for member in members if member.is_primary)


async def test_the_administrator_gives_itself_another_password(
    engine: MongodbEngine, members: Sequence[Mongod]
) -> None:
    await engine.rotate_root(NEW)
    await engine.rotate_root(NEW)
    assert not await opens(engine, ADMIN, PASSWORD)
    async with opened(engine_for(*members, password=NEW)) as again:
        assert again.target_id == engine.target_id
        assert (await again.check([READER])).ok
        await issue(again, account_for(again))


async def test_a_static_user_keeps_its_roles_and_the_ways_in_that_it_has(
    engine: MongodbEngine, members: Sequence[Mongod]
) -> None:
    its = members[0].users.users["billing", "admin"]
    for ways in (["SCRAM-SHA-256"], ["SCRAM-SHA-1", "SCRAM-SHA-256"]):
        its["mechanisms"] = ways
        await engine.rotate_static("billing", NEW)
        assert its["mechanisms"] == ways
    its["mechanisms"] = ["SCRAM-SHA-1"]
    await engine.rotate_static("billing", NEW)
    assert its["mechanisms"] == ["SCRAM-SHA-1", "SCRAM-SHA-256"], "the proof goes by the latter"
    assert its["roles"] == [{"role": "read", "db": "app"}]
    assert await opens(engine, "billing", NEW.reveal())
    assert not await opens(engine, "billing", "old")


async def test_a_user_that_is_missing_is_not_made(
    engine: MongodbEngine, members: Sequence[Mongod]
) -> None:
    with pytest.raises(EnginePermanent, match="no user nobody in admin") as told:
        await engine.rotate_static("nobody", NEW)
    assert told.value.error_class is ErrorClass.ABSENT
    assert ("nobody", "admin") not in members[0].users.users


def stepped_down_after(work: Work) -> dict[str, Any]:
    work()
    raise Refusal(11602, "interrupted due to a change of the replica set's state")


def cut_off_after(work: Work) -> dict[str, Any]:
    work()
    raise Hangup


def unconfirmed(work: Work) -> dict[str, Any]:
    return {**work(), "writeConcernError": {"code": 64, "errmsg": "waiting timed out"}}


@pytest.mark.parametrize("odd", [cut_off_after, unconfirmed])
async def test_what_may_have_been_done_is_never_told_as_a_refusal(
    members: Sequence[Mongod], odd: Any
) -> None:
    async with opened(engine_for(*members)) as engine:
        primary(members).at_next["updateUser"] = odd
        with pytest.raises(EngineTemporary) as told:
            await engine.rotate_root(NEW)
        assert told.value.outcome_unknown
    async with opened(engine_for(*members, password=NEW)) as again:
        await again.rotate_root(NEW)


@pytest.mark.parametrize("odd", [cut_off_after, stepped_down_after])
async def test_a_command_that_was_done_and_not_confirmed_is_repeated(
    engine: MongodbEngine, members: Sequence[Mongod], odd: Any
) -> None:
    primary(members).at_next["updateUser"] = odd
    await engine.rotate_static("billing", NEW)
    assert await opens(engine, "billing", NEW.reveal())


async def test_a_login_that_is_refused_after_a_step_down_says_nothing_about_the_password(
    members: Sequence[Mongod],
) -> None:
    def handed_over_after(work: Work) -> dict[str, Any]:
        work()
        hand_over(members)
        raise Hangup

    async with opened(engine_for(*members)) as engine:
        primary(members).at_next["updateUser"] = handed_over_after
        with pytest.raises(EngineTemporary, match="refuses the administrator's login") as told:
            await engine.rotate_root(NEW)  # the new primary has the new password already
        assert told.value.outcome_unknown
    async with opened(engine_for(*members, password=NEW)) as again:
        await again.rotate_root(NEW)


async def test_without_a_primary_nothing_is_sent(members: Sequence[Mongod]) -> None:
    async with opened(engine_for(*members, statement_timeout=1)) as engine:
        for member in members:
            member.is_primary = False
        with pytest.raises(EngineTemporary) as told:
            await engine.rotate_root(NEW)
        assert not told.value.outcome_unknown
        members[0].is_primary = True
        assert await opens(engine, ADMIN, PASSWORD)


@pytest.mark.parametrize("own", [True, False])
async def test_the_least_right_is_enough_and_is_named_where_it_lacks(own: bool) -> None:
    action = "changeOwnPassword" if own else "changePassword"
    resource = {"db": "admin", "collection": ""}
    with mongod() as server:
        users = server.users
        users.add("billing", "old", [])
        rights = ["createUser", "dropUser", "changeCustomData", "viewUser"]
        users.roles["leasehold", "admin"] = [{"resource": resource, "actions": rights}]
        users.add("keeper", "k33per", [{"role": "leasehold", "db": "admin"}])
        options = {"username": "keeper", "password": Secret("k33per")}
        async with opened(engine_for(server, **options)) as engine:
            with pytest.raises(EnginePermanent, match="grantPrivilegesToRole") as told:
                await (engine.rotate_root(NEW) if own else engine.rotate_static("billing", NEW))
            assert told.value.error_class is ErrorClass.DENIED
            assert f'["{action}"]' in told.value.reason
            assert not await opens(engine, "keeper" if own else "billing", NEW.reveal())
            rights.append(action)
            await (engine.rotate_root(NEW) if own else engine.rotate_static("billing", NEW))
            assert await opens(engine, "keeper" if own else "billing", NEW.reveal())


async def test_the_administrator_is_the_one_of_its_database() -> None:
    with mongod() as server:
        server.users.add("keeper", "k33per", [{"role": "root", "db": "admin"}], "ops")
        server.users.add("keeper", "another", [])
        options = {"username": "keeper", "password": Secret("k33per")}
        url = f"mongodb://{server.address}/?authSource=ops"
        async with opened(engine_for(server, url=url, **options)) as engine:
            await engine.rotate_root(NEW)
            assert await opens(engine, "keeper", "another"), "of admin"
        async with opened(engine_for(server, url=url, **{**options, "password": NEW})) as again:
            assert again.target_id


async def test_every_mongos_forgets_the_old_password() -> None:
    with mongod(mongos=True) as one:
        other = Mongod(one.users, mongos=True)
        try:
            async with opened(engine_for(one, other)) as engine:
                await engine.rotate_root(NEW)
            for server in (one, other):
                names = [name for name, _ in server.seen]
                assert "invalidateUserCache" in names, server.port
                assert "updateUser" not in names[names.index("invalidateUserCache") :]
        finally:
            other.close()
