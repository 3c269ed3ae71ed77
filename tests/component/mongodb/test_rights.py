"""What the administrator lacks is named with the line to run, and the least rights are enough."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from fakes.mongod import Mongod, mongod
from leasehold.plugin import EnginePermanent, ErrorClass, Secret, TargetChanged
from leasehold.plugin.contract import REMOVED
from leasehold_plugins.mongodb import MongodbEngine
from servers.mongodb_engine import (
    BY_CERTIFICATE,
    READER,
    account_for,
    engine_for,
    issue,
    opened,
    quiet,
)

pytestmark = quiet

LEAST = [
    {
        "resource": {"db": "admin", "collection": ""},
        "actions": ["createUser", "dropUser", "changeCustomData", "viewUser"],
    },
    {"resource": {"db": "app", "collection": ""}, "actions": ["grantRole", "viewRole"]},
    {"resource": {"cluster": True}, "actions": ["viewUser", "killAnySession", "serverStatus"]},
]
"""The role of docs/engines/mongodb.md."""


@pytest.fixture
def server() -> Iterator[Mongod]:
    with mongod() as server:
        yield server


@pytest.fixture
async def keeper(server: Mongod) -> AsyncIterator[MongodbEngine]:
    """An engine whose administrator has these rights and no others."""
    users = server.users
    users.roles["leasehold", "admin"] = [dict(it) for it in LEAST]
    users.add("keeper", "k33per", [{"role": "leasehold", "db": "admin"}])
    other = {"username": "keeper", "password": Secret("k33per")}
    async with opened(engine_for(server, **other)) as engine:
        yield engine


async def test_the_least_rights_are_enough(keeper: MongodbEngine) -> None:
    health = await keeper.check([READER])
    assert (health.ok, health.missing, health.version) == (True, (), "7.0.99")
    account = account_for(keeper)
    await issue(keeper, account)
    assert [name async for name in keeper.accounts("^lhtest_")] == [account.name]
    [ceiling] = await keeper.ceilings({"reader": READER})
    assert (ceiling.name, ceiling.most - ceiling.used) == ("connections", 800)
    assert await keeper.revoke(account) == REMOVED


async def test_each_right_that_is_missing_is_named_and_running_its_line_mends_it(
    keeper: MongodbEngine, server: Mongod
) -> None:
    role = server.users.roles["leasehold", "admin"]
    # What the mark needs stays, so that the engine gets as far as looking.
    keep = [{"resource": {"db": "admin", "collection": ""}, "actions": ["viewUser"]}]
    role[:] = keep
    health = await keeper.check([READER])
    assert not health.ok
    told = "\n".join(health.missing)
    for words in ("find accounts", "end sessions", "make accounts in admin", "grant roles of app"):
        assert f"cannot {words}: " in told
    grant = ': db.getSiblingDB("admin").grantPrivilegesToRole("leasehold", '
    for line in health.missing:
        _, _, call = line.partition(grant)
        role.extend(json.loads(call.removesuffix(")")))
    assert (await keeper.check([READER])).missing == ()


async def test_a_role_that_nobody_made_is_named(keeper: MongodbEngine) -> None:
    [line] = (await keeper.check([{"roles": [{"role": "reporter", "db": "app"}]}])).missing
    assert line.startswith('role reporter is missing in app: db.getSiblingDB("app").createRole(')


async def test_accounts_by_certificate_need_an_authority(keeper: MongodbEngine) -> None:
    told = (await keeper.check([BY_CERTIFICATE])).missing
    assert any("add x509_ca and x509_ca_key to the connection" in line for line in told)
    assert any("make accounts in $external" in line for line in told)
    with pytest.raises(EnginePermanent, match="has no x509_ca and x509_ca_key"):
        await issue(keeper, account_for(keeper, BY_CERTIFICATE))


async def test_a_role_that_is_missing_is_told_and_leaves_nothing(keeper: MongodbEngine) -> None:
    account = account_for(keeper, {"roles": [{"role": "nobody_made_this", "db": "app"}]})
    with pytest.raises(EnginePermanent, match=r"does not exist \(31\)") as told:
        await issue(keeper, account)
    assert told.value.error_class is ErrorClass.ABSENT
    assert [name async for name in keeper.accounts(account.name)] == []


async def test_a_revocation_without_the_right_to_end_sessions_is_not_done(
    keeper: MongodbEngine, server: Mongod
) -> None:
    account = account_for(keeper)
    await issue(keeper, account)
    server.users.roles["leasehold", "admin"][2]["actions"] = ["viewUser"]
    with pytest.raises(EnginePermanent, match="does not let the administrator run killAllSessions"):
        await keeper.revoke(account)


async def test_a_wrong_password_is_denied_and_not_shown(server: Mongod) -> None:
    engine = engine_for(server, password=Secret("wr0ng"))
    with pytest.raises(EnginePermanent, match="refuses the administrator's login") as told:
        await engine.open()
    await engine.close()
    assert told.value.error_class is ErrorClass.DENIED
    assert "wr0ng" not in str(told.value)


async def test_another_deployment_at_the_same_address_is_known(
    keeper: MongodbEngine, server: Mongod
) -> None:
    account = account_for(keeper)
    await issue(keeper, account)
    server.users.users.pop(("leasehold-target", "admin"))
    with pytest.raises(TargetChanged):
        await issue(keeper, account_for(keeper))
    with pytest.raises(TargetChanged):
        await keeper.renew(account, datetime.now(UTC))
    before = keeper.target_id
    await keeper.check([READER])
    assert keeper.target_id not in ("", before)
    with pytest.raises(TargetChanged):
        await keeper.revoke(account)
    assert (account.name, "admin") in server.users.users


async def test_two_that_look_at_once_leave_one_mark(server: Mongod) -> None:
    def somebody_else_first(work: Any) -> Any:
        work()
        return work()

    server.at_next["createUser"] = somebody_else_first
    async with opened(engine_for(server)) as one, opened(engine_for(server)) as two:
        assert one.target_id == two.target_id != ""
