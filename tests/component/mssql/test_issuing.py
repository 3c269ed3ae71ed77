"""How accounts are made, and what is asked of the administrator for it."""

import re

import pytest

from fakes.mssql import FakeServer
from fakes.mssql_engine import CONTAINED, LOGINS, READER, clear, engine_for, issued
from leasehold.plugin import EnginePermanent, EngineTemporary, Secret
from leasehold.plugin.contract import REMOVED, EngineContract
from leasehold_plugins.mssql import MssqlEngine

GRANTS = {
    "ALTER ANY LOGIN": "cannot make logins: USE [master]; GRANT ALTER ANY LOGIN TO [leasehold];",
    "VIEW SERVER STATE": (
        "cannot see sessions: USE [master]; GRANT VIEW SERVER STATE TO [leasehold];"
    ),
    "ALTER ANY CONNECTION": (
        "cannot end sessions: USE [master]; GRANT ALTER ANY CONNECTION TO [leasehold];"
    ),
    "ALTER ANY USER": ("cannot make users in app: USE [app]; GRANT ALTER ANY USER TO [leasehold];"),
    "ALTER ROLE": (
        "role app_readonly is missing in app, or cannot be seen: USE [app];"
        " CREATE ROLE [app_readonly]; GRANT ALTER ON ROLE::[app_readonly] TO [leasehold];"
    ),
}


async def test_the_clear_password_of_a_login_is_in_no_statement(
    engine: MssqlEngine, server: FakeServer
) -> None:
    own = {"creation_statements": "CREATE LOGIN [{{name}}] WITH PASSWORD = N'{{password}}'"}
    for options in (READER, own):
        _, made = await issued(engine, **options)
        assert not any(clear(made) in one for one in server.log)
        assert await engine.login(made.credential)


async def test_a_password_has_what_a_policy_of_the_server_asks_for(engine: MssqlEngine) -> None:
    for _ in range(30):
        _, made = await issued(engine)
        assert all(re.search(kind, clear(made)) for kind in ("[0-9]", "[a-z]", "[A-Z]"))


async def test_a_half_made_account_is_cleared_away_by_its_name(
    engine: MssqlEngine, server: FakeServer
) -> None:
    server.fails = {"^CREATE USER": 1205}
    account = EngineContract.account(engine, READER)
    with pytest.raises(EngineTemporary, match=r"a deadlock \(1205\)"):
        await EngineContract.issue(engine, account)
    assert account.name in server.logins
    server.fails = {}
    assert await engine.revoke(account) == REMOVED
    assert account.name not in server.logins


async def test_statements_that_make_another_account_are_refused_and_rolled_back(
    engine: MssqlEngine, server: FakeServer
) -> None:
    own = {
        "creation_statements": "CREATE LOGIN [somebody] WITH PASSWORD = '{{password}}'",
        "rollback_statements": "DROP LOGIN [somebody]",
    }
    with pytest.raises(EnginePermanent, match=r"make no login called \{\{name\}\}"):
        await issued(engine, **own)
    assert "somebody" not in server.logins


async def test_after_a_USE_of_its_own_the_connection_is_home_again(  # noqa: N802
    engine: MssqlEngine, server: FakeServer
) -> None:
    own = {
        "creation_statements": [
            "CREATE LOGIN [{{name}}] WITH PASSWORD = '{{password}}'",
            "USE [reports]",
        ]
    }
    await issued(engine, **own)
    assert {link.database for link in server.sessions.values()} == {"app"}


async def test_a_contained_account_has_one_database(contained: MssqlEngine) -> None:
    with pytest.raises(EnginePermanent, match="the role lists databases"):
        await issued(contained, **READER, databases=["app"])


async def test_a_contained_account_needs_a_database_in_the_url(server: FakeServer) -> None:
    made = engine_for(server, {**CONTAINED, "url": "mssql://localhost"})
    with pytest.raises(EnginePermanent, match=r"connection\.url names no database"):
        await made.open()
    await made.close()


async def test_the_identity_is_the_servers_or_that_of_the_contained_database(
    engine: MssqlEngine, contained: MssqlEngine
) -> None:
    assert engine.target_id == "mssql:server:db1\\main"
    assert contained.target_id == "mssql:database:3f2504e0-4f89-11d3-9a0c-0305e82c3301"


async def test_a_refused_administrator_is_told_once(server: FakeServer) -> None:
    made = engine_for(server, {**LOGINS, "password": Secret("wrong")})
    with pytest.raises(EnginePermanent, match="refuses the administrator's login"):
        await made.open()
    await made.close()


@pytest.mark.parametrize("right", GRANTS)
async def test_a_missing_right_is_named_with_the_line_to_run(
    engine: MssqlEngine, server: FakeServer, right: str
) -> None:
    server.lacks |= {right, "VIEW SERVER PERFORMANCE STATE"}
    if right == "ALTER ROLE":
        del server.databases["app"].roles["app_readonly"]
    assert (await engine.check([READER])).missing == (GRANTS[right],)


async def test_rights_are_asked_for_in_each_database_of_a_role(
    engine: MssqlEngine, server: FakeServer
) -> None:
    server.databases["reports"].enters = False
    found = await engine.check([{**READER, "databases": ["app", "reports", "nowhere"]}])
    assert found.missing == (
        "database nowhere is missing",
        "cannot enter database reports: USE [reports]; CREATE USER [leasehold] FOR LOGIN"
        " [leasehold];",
    )


async def test_roles_that_only_an_owner_may_change_are_told(
    engine: MssqlEngine, server: FakeServer
) -> None:
    assert (await engine.check([{"member_of": ["db_datareader"]}])).ok
    server.lacks.add("db_owner")
    [line] = (await engine.check([{"member_of": ["db_datareader"]}])).missing
    assert line.startswith("cannot add members to db_datareader in app, since only db_owner may")


async def test_settings_that_contained_users_need_are_told(
    contained: MssqlEngine, server: FakeServer
) -> None:
    server.databases["closed"].contained = server.contained_logins = False
    lines = "\n".join((await contained.check([READER])).missing)
    assert "ALTER DATABASE [closed] SET CONTAINMENT = PARTIAL;" in lines
    assert "EXEC sp_configure 'contained database authentication', 1; RECONFIGURE;" in lines


async def test_azure_sql_database_has_contained_accounts_only(
    engine: MssqlEngine, contained: MssqlEngine, server: FakeServer
) -> None:
    server.edition = 5
    [line] = (await engine.check([READER])).missing
    assert "contained: true" in line
    assert (await contained.check([READER])).ok
    server.lacks |= {"VIEW DATABASE STATE", "KILL DATABASE CONNECTION"}
    assert (await contained.check([READER])).missing == (
        "cannot see sessions: USE [closed]; GRANT VIEW DATABASE STATE TO [leasehold];",
        "cannot end sessions: USE [closed]; GRANT KILL DATABASE CONNECTION TO [leasehold];",
    )


async def test_an_old_server_and_one_without_logins_of_its_own_are_told(
    engine: MssqlEngine, server: FakeServer
) -> None:
    server.windows_only = True
    assert "takes logins of Windows only" in (await engine.check([READER])).missing[0]
    server.version = "12.0.6024.0"
    assert "older than SQL Server 2016" in (await engine.check([READER])).missing[0]


async def test_connections_are_a_ceiling(engine: MssqlEngine) -> None:
    [ceiling] = await engine.ceilings({})
    assert (ceiling.name, ceiling.most) == ("connections", 32767)
    assert 1 <= ceiling.used < 5
