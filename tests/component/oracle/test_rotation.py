"""Passwords of users that stand, changed as the database lets each be changed."""

import pytest

from fakes.oracle import LOGIN, Account, FakeDatabase
from fakes.oracle_engine import opened
from leasehold.plugin import EnginePermanent, EngineTemporary, ErrorClass, Secret, make_password
from leasehold_plugins.oracle import OracleEngine

NEW = Secret("ApasswordOfATest0123456789")
OLD = Secret("adm1n")


def credential(name: str, password: Secret = NEW) -> dict[str, str | Secret]:
    return {"username": name, "password": password}


@pytest.fixture
def billing(database: FakeDatabase) -> Account:
    made = Account("old", {LOGIN})
    database.users["BILLING"] = made
    return made


async def test_the_administrator_gives_itself_another_password(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    database.lacks = {"ALTER USER"}
    await engine.rotate_root(NEW)
    await engine.rotate_root(NEW)
    assert await engine.login(credential("leasehold"))
    assert not await engine.login(credential("leasehold", OLD))
    async with opened(database, password=NEW) as again:
        assert again.target_id == engine.target_id


async def test_a_static_user_gets_its_password(engine: OracleEngine, billing: Account) -> None:
    for _ in range(2):
        await engine.rotate_static("billing", NEW)
    assert await engine.login(credential("billing"))
    assert not await engine.login(credential("billing", Secret("old")))


async def test_a_name_in_quotes_keeps_its_letters(
    engine: OracleEngine, database: FakeDatabase, billing: Account
) -> None:
    database.users["billing"] = Account("old", {LOGIN})
    await engine.rotate_static('"billing"', NEW)
    assert (database.users["billing"].password, billing.password) == (NEW.reveal(), "old")


async def test_a_password_that_the_profile_refuses_since_it_holds_already_is_well(
    engine: OracleEngine, billing: Account, database: FakeDatabase
) -> None:
    billing.remembers = True
    for _ in range(2):
        await engine.rotate_static("billing", NEW)
    database.fails = {"IDENTIFIED BY": 28007}
    with pytest.raises(EnginePermanent, match=r"used before \(ORA-28007\)"):
        await engine.rotate_static("billing", Secret("another"))


async def test_what_is_made_without_a_policy_is_as_short_as_every_database_takes(
    engine: OracleEngine, billing: Account
) -> None:
    await engine.rotate_static("billing", Secret(make_password(engine.standing_passwords)))
    assert len(billing.password) == 30
    with pytest.raises(EnginePermanent, match="has 31 characters, and Oracle before 23 takes 30"):
        await engine.rotate_static("billing", Secret("x" * 31))


async def test_a_new_database_takes_more(database: FakeDatabase, billing: Account) -> None:
    database.version = "23.9.0.25.7"
    async with opened(database) as engine:
        await engine.rotate_static("billing", Secret("x" * 31))
    assert len(billing.password) == 31


async def test_an_account_that_is_missing_is_not_made(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    with pytest.raises(EnginePermanent, match='there is no user "NOBODY"') as told:
        await engine.rotate_static("nobody", NEW)
    assert told.value.error_class is ErrorClass.ABSENT
    assert "NOBODY" not in database.users


async def test_refusals_say_what_to_run(
    engine: OracleEngine, database: FakeDatabase, billing: Account
) -> None:
    with pytest.raises(EnginePermanent, match="is the administrator"):
        await engine.rotate_static("LeaseHold", NEW)
    database.lacks = {"ALTER USER"}
    with pytest.raises(EnginePermanent, match="GRANT ALTER USER TO it") as told:
        await engine.rotate_static("billing", NEW)
    assert told.value.error_class is ErrorClass.DENIED
    assert billing.password == "old"


async def test_a_connection_that_is_lost_meanwhile_leaves_the_outcome_unknown(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    database.faulty = {len(database.log) + 1: 0}
    with pytest.raises(EngineTemporary) as told:
        await engine.rotate_root(NEW)
    assert told.value.outcome_unknown
