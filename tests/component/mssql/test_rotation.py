"""Passwords of accounts that stand, changed as the server lets each be changed."""

import pytest

from fakes.mssql import FakeServer, Login, User
from fakes.mssql_engine import CONTAINED, LOGINS, engine_for, new_server
from leasehold.plugin import EnginePermanent, ErrorClass, Secret
from leasehold_plugins.mssql import MssqlEngine

NEW = Secret("A-password-of-a-test-0123456789")
OLD = Secret("adm1n")


def credential(name: str, password: Secret = NEW) -> dict[str, str | Secret]:
    return {"username": name, "password": password}


def said(server: FakeServer) -> list[str]:
    return [one for one in server.log if "WITH PASSWORD" in one]


async def test_the_administrator_gives_itself_another_password(
    engine: MssqlEngine, server: FakeServer
) -> None:
    await engine.rotate_root(NEW)
    await engine.rotate_root(NEW)
    assert await engine.login(credential("leasehold"))
    assert not await engine.login(credential("leasehold", OLD))
    assert all(" HASHED" in one for one in said(server))
    again = engine_for(server, {**LOGINS, "password": NEW})
    await again.open()
    assert again.target_id == engine.target_id
    await again.close()


@pytest.mark.parametrize("edition", [3, 8])
async def test_who_follows_the_policy_of_the_host_or_a_managed_instance_gets_it_in_clear(
    edition: int,
) -> None:
    server = FakeServer(edition=edition)
    server.databases.update(new_server().databases)
    server.logins["leasehold"].checked = edition == 3
    engine = engine_for(server, LOGINS)
    await engine.rotate_root(NEW)
    assert await engine.login(credential("leasehold"))
    assert " HASHED" not in said(server)[0]
    await engine.close()


async def test_without_the_right_the_administrator_tells_its_old_password(
    engine: MssqlEngine, server: FakeServer
) -> None:
    server.lacks = {"ALTER ANY LOGIN"}
    await engine.rotate_root(NEW)
    assert said(server)[0].endswith("OLD_PASSWORD = N'adm1n'")
    assert await engine.login(credential("leasehold"))


@pytest.mark.parametrize("lacks", [set(), {"ALTER ANY USER"}])
async def test_an_administrator_of_a_database_alone_is_rotated_there(
    contained: MssqlEngine, server: FakeServer, lacks: set[str]
) -> None:
    server.lacks = lacks
    await contained.rotate_root(NEW)
    assert ("OLD_PASSWORD" in said(server)[0]) == bool(lacks)
    assert await contained.login(credential("leasehold"))
    assert server.logins["leasehold"].opens("adm1n"), "the login of that name is another's"


async def test_a_login_that_makes_contained_accounts_is_rotated_as_a_login(
    server: FakeServer,
) -> None:
    del server.databases["closed"].users["leasehold"]
    engine = engine_for(server, CONTAINED)
    await engine.rotate_root(NEW)
    assert server.logins["leasehold"].opens(NEW.reveal())
    await engine.close()


async def test_azure_changes_no_login_from_a_database() -> None:
    server = FakeServer(edition=5)
    server.databases.update(new_server().databases)
    del server.databases["closed"].users["leasehold"]
    engine = engine_for(server, CONTAINED)
    with pytest.raises(EnginePermanent, match="make it a user of the database") as told:
        await engine.rotate_root(NEW)
    assert told.value.error_class is ErrorClass.UNSUPPORTED
    assert not said(server)
    await engine.close()


async def test_a_static_login_gets_its_password(engine: MssqlEngine, server: FakeServer) -> None:
    server.logins["billing"] = Login("old")
    for _ in range(2):
        await engine.rotate_static("billing", NEW)
    assert await engine.login(credential("billing"))
    assert not any(NEW.reveal() in one for one in server.log)


async def test_a_static_user_of_a_contained_database_gets_its_password(
    contained: MssqlEngine, server: FakeServer
) -> None:
    users = server.databases["closed"].users
    users["billing"], users["without"] = User(None, "old"), User("leasehold")
    await contained.rotate_static("billing", NEW)
    assert await contained.login(credential("billing"))
    with pytest.raises(EnginePermanent) as told:
        await contained.rotate_static("without", NEW)
    assert told.value.error_class is ErrorClass.ABSENT
    assert users["without"].password is None


async def test_what_a_policy_refuses_since_it_holds_already_is_well(
    engine: MssqlEngine, server: FakeServer
) -> None:
    server.logins["billing"] = Login("old", checked=True)
    for _ in range(2):
        await engine.rotate_static("billing", NEW)
    server.fails = {"^ALTER LOGIN": 15114}
    with pytest.raises(EnginePermanent, match=r"so soon again \(15114\)"):
        await engine.rotate_static("billing", Secret("another"))


async def test_an_account_that_is_missing_is_not_made(
    engine: MssqlEngine, server: FakeServer
) -> None:
    with pytest.raises(EnginePermanent) as told:
        await engine.rotate_static("nobody", NEW)
    assert told.value.error_class is ErrorClass.ABSENT
    assert "nobody" not in server.logins


async def test_refusals_say_what_to_run(engine: MssqlEngine, server: FakeServer) -> None:
    server.logins["billing"] = Login("old", disabled=True)
    with pytest.raises(EnginePermanent, match=r"ALTER LOGIN \[billing\] ENABLE;"):
        await engine.rotate_static("billing", NEW)
    server.logins["billing"].disabled = False
    server.lacks = {"ALTER ANY LOGIN"}
    with pytest.raises(EnginePermanent, match="it takes ALTER ANY LOGIN") as told:
        await engine.rotate_static("billing", NEW)
    assert told.value.error_class is ErrorClass.DENIED
    with pytest.raises(EnginePermanent, match="is the administrator"):
        await engine.rotate_static("LEASEHOLD", NEW)
