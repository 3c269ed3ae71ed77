"""What stands in the way of a removal, and what is told of it."""

from dataclasses import replace

import pytest

from fakes.oracle import FakeDatabase
from fakes.oracle_engine import READER, clear, issued, opened
from leasehold.plugin import EnginePermanent, EngineTemporary, Removal, Stage, TargetChanged
from leasehold.plugin.contract import REMOVED
from leasehold_plugins.oracle import OracleEngine
from leasehold_plugins.oracle.address import read

WHERE = read("oracle://localhost/app_pdb")


async def test_sessions_on_every_instance_end_before_the_account_is_dropped(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    account, made = await issued(engine)
    links = [await database.dial(WHERE, account.name, clear(made), 5) for _ in range(2)]
    assert {link.instance for link in links} == {1, 2}
    assert await engine.revoke(account) == REMOVED
    assert not any(link.is_alive() for link in links)


async def test_at_rds_sessions_end_by_its_own_procedure() -> None:
    database = FakeDatabase(rds=True)
    async with opened(database) as engine:
        account, made = await issued(engine)
        link = await database.dial(WHERE, account.name, clear(made), 5)
        assert await engine.revoke(account) == REMOVED
        assert not link.is_alive()
    [kill] = [one for one in database.log if "rdsadmin_util" in one]
    assert "rdsadmin.rdsadmin_util.kill(sid => " in kill


async def test_a_session_that_undoes_its_work_leaves_the_account_locked_for_later(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    account, made = await issued(engine)
    link = await database.dial(WHERE, account.name, clear(made), 5)
    database.lingering.add(link.number)
    with pytest.raises(EngineTemporary, match="undoing its work"):
        await engine.revoke(account)
    assert database.users[account.name.upper()].locked
    await link.close()
    assert await engine.revoke(account) == REMOVED


async def test_a_killed_session_that_is_not_cleared_away_yet_is_waited_for(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    account, _ = await issued(engine)
    database.fails = {"^DROP USER": 1940}
    assert await engine.revoke(account) == Removal(
        stage=Stage.DISABLED, residue="Oracle refused: the account still has sessions (ORA-01940)"
    )
    assert sum(one.startswith("DROP USER") for one in database.log) > 3
    database.fails = {}
    assert await engine.revoke(account) == REMOVED


async def test_what_owns_objects_is_kept_locked_or_goes_with_them(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    keeper, made = await issued(engine)
    other, _ = await issued(engine)
    dropper, _ = await issued(engine, **READER, owned_objects="drop")
    for account in (keeper, dropper):
        database.users[account.name.upper()].owns = True
    kept, gone, dropped = await engine.revoke_many([keeper, other, dropper])
    assert kept == Removal(
        stage=Stage.DISABLED,
        residue="the account owns objects (ORA-01922); owned_objects: drop would take them along",
    )
    assert (gone, dropped) == (REMOVED, REMOVED)
    assert not await engine.login(made.credential)


async def test_without_sight_of_sessions_accounts_stay_locked(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    account, made = await issued(engine)
    database.lacks.add("gv_$session")
    with pytest.raises(EnginePermanent, match=r"lacks SELECT on sys\.gv_\$session"):
        await engine.revoke(account)
    assert not await engine.login(made.credential)


async def test_another_database_is_told_and_not_touched(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    account, _ = await issued(engine)
    [told] = await engine.revoke_many([replace(account, target="oracle:1.1")])
    assert isinstance(told, TargetChanged)
    assert account.name.upper() in database.users


async def test_one_that_is_refused_holds_up_no_other(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    first, _ = await issued(engine)
    second, _ = await issued(engine)
    database.fails = {f'^ALTER USER "{first.name.upper()}"': 1031}
    refused, gone = await engine.revoke_many([first, second])
    assert isinstance(refused, EnginePermanent)
    assert gone == REMOVED
