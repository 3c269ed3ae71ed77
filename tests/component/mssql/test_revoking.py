"""What stands in the way of a removal, and what is told of it."""

from dataclasses import replace

import pytest

from fakes.mssql import Database, FakeLink, FakeServer, User
from fakes.mssql_engine import READER, clear, issued
from leasehold.plugin import EnginePermanent, EngineTemporary, Removal, Stage, TargetChanged
from leasehold.plugin.contract import REMOVED, EngineContract
from leasehold_plugins.mssql import MssqlEngine
from leasehold_plugins.mssql.address import read

APP = read("mssql://localhost/app")


def opened(server: FakeServer, name: str, password: str, database: str | None = None) -> FakeLink:
    return server.dial(APP, name, password, database, 5)


async def test_a_session_ends_with_its_account(engine: MssqlEngine, server: FakeServer) -> None:
    account, made = await issued(engine)
    session = opened(server, account.name, clear(made))
    assert await engine.revoke(account) == REMOVED
    assert not session.is_alive()


async def test_a_session_of_a_contained_user_ends_with_it(
    contained: MssqlEngine, server: FakeServer
) -> None:
    account, made = await issued(contained)
    session = opened(server, account.name, clear(made), "closed")
    assert await contained.revoke(account) == REMOVED
    assert not session.is_alive()


async def test_login_and_user_are_two_objects_and_both_go(
    engine: MssqlEngine, server: FakeServer
) -> None:
    account, _ = await issued(engine, **READER, databases=["app", "reports"])
    names = ("app", "reports")
    assert all(account.name in server.databases[name].users for name in names)
    assert await engine.revoke(account) == REMOVED
    assert account.name not in server.logins
    assert not any(account.name in server.databases[name].users for name in names)


async def test_users_go_from_databases_that_the_role_does_not_name(
    engine: MssqlEngine, server: FakeServer
) -> None:
    account, _ = await issued(engine)
    server.databases["reports"].users["another name"] = User(account.name)
    assert await engine.revoke(account) == REMOVED
    assert server.databases["reports"].users == {}


async def test_a_user_whose_login_is_gone_is_dropped(
    engine: MssqlEngine, server: FakeServer
) -> None:
    account, _ = await issued(engine)
    del server.logins[account.name]
    assert await engine.revoke(account) == REMOVED
    assert account.name not in server.databases["app"].users


async def test_a_session_that_undoes_its_work_leaves_the_account_for_later(
    engine: MssqlEngine, server: FakeServer
) -> None:
    account, made = await issued(engine)
    session = opened(server, account.name, clear(made))
    server.dying.add(session.number)
    with pytest.raises(EngineTemporary, match="undoing its work"):
        await engine.revoke(account)
    assert server.log.count(f"KILL {session.number}") == 1
    assert not await engine.login(made.credential)
    session.close()
    assert await engine.revoke(account) == REMOVED


async def test_an_account_that_owns_a_schema_is_kept_disabled_and_holds_up_no_other(
    engine: MssqlEngine, server: FakeServer
) -> None:
    owner, made = await issued(engine)
    other, _ = await issued(engine)
    server.databases["app"].users[owner.name].owns.append(("SCHEMA", None, "theirs"))
    kept, gone = await engine.revoke_many([owner, other])
    assert kept == Removal(
        stage=Stage.DISABLED,
        residue="SQL Server refused: the account owns a schema or a role (15138)",
    )
    assert gone == REMOVED
    assert owner.name in server.logins
    assert not await engine.login(made.credential)


async def test_what_an_account_owns_goes_to_the_heir(
    engine: MssqlEngine, server: FakeServer
) -> None:
    account, _ = await issued(engine, **READER, reassign_owned_to="dbo")
    server.databases["app"].users[account.name].owns += [
        ("SCHEMA", None, "odd]name"),
        ("OBJECT", "dbo", "it's"),
    ]
    assert await engine.revoke(account) == REMOVED
    assert "ALTER AUTHORIZATION ON SCHEMA::[odd]]name] TO [dbo]" in server.log
    assert "ALTER AUTHORIZATION ON OBJECT::[dbo].[it's] TO [dbo]" in server.log


async def test_a_database_that_cannot_be_entered_keeps_the_account(
    engine: MssqlEngine, server: FakeServer
) -> None:
    account, _ = await issued(engine, **READER, databases=["app", "reports"])
    server.databases["reports"].enters = False
    assert await engine.revoke(account) == Removal(
        stage=Stage.DISABLED, residue="database reports cannot be entered"
    )
    server.databases["reports"].enters = True
    assert await engine.revoke(account) == REMOVED


async def test_users_that_cannot_be_seen_do_not_count_as_gone(
    engine: MssqlEngine, server: FakeServer
) -> None:
    account, _ = await issued(engine)
    server.lacks.add("ALTER ANY USER")
    assert await engine.revoke(account) == Removal(
        stage=Stage.DISABLED, residue="users of database app cannot be seen"
    )
    assert account.name in server.logins


async def test_a_database_that_is_gone_keeps_nothing(
    engine: MssqlEngine, server: FakeServer
) -> None:
    account, _ = await issued(engine, **READER, databases=["app", "reports"])
    del server.databases["reports"]
    assert await engine.revoke(account) == REMOVED


@pytest.mark.parametrize(
    ("right", "unseen"), [("ALTER ANY LOGIN", "accounts"), ("VIEW SERVER STATE", "sessions")]
)
async def test_what_cannot_be_seen_does_not_count_as_gone(
    engine: MssqlEngine, server: FakeServer, right: str, unseen: str
) -> None:
    server.lacks |= {right, "VIEW SERVER PERFORMANCE STATE"} if "VIEW" in right else {right}
    with pytest.raises(EnginePermanent, match=f"^{unseen} of others cannot be seen"):
        await engine.revoke(EngineContract.account(engine, READER))


async def test_another_server_is_told_and_not_touched(
    engine: MssqlEngine, server: FakeServer
) -> None:
    account, _ = await issued(engine)
    [told] = await engine.revoke_many([replace(account, target="mssql:server:other")])
    assert isinstance(told, TargetChanged)
    assert account.name in server.logins


async def test_when_no_session_may_be_ended_all_stay_disabled(
    engine: MssqlEngine, server: FakeServer
) -> None:
    account, made = await issued(engine)
    session = opened(server, account.name, clear(made))
    server.fails = {"^KILL": 6102}
    with pytest.raises(EnginePermanent, match=r"no right to end sessions \(6102\)"):
        await engine.revoke(account)
    session.close()
    assert not await engine.login(made.credential)


async def test_a_user_that_is_refused_keeps_the_account_also_when_its_login_is_gone(
    engine: MssqlEngine, server: FakeServer
) -> None:
    account, _ = await issued(engine)
    del server.logins[account.name]
    server.fails = {"^DROP USER": 15151}
    told = await engine.revoke(account)
    assert told.stage is Stage.DISABLED
    assert account.name in server.databases["app"].users


async def test_many_accounts_go_from_many_databases(
    engine: MssqlEngine, server: FakeServer
) -> None:
    names = [f"db{number}" for number in range(12)]
    server.databases.update({name: Database(roles={"app_readonly": set()}) for name in names})
    accounts = [(await issued(engine, **READER, databases=names))[0] for _ in range(110)]
    assert await engine.revoke_many(accounts) == [REMOVED] * 110
    assert not any(server.databases[name].users for name in names)
    assert list(server.logins) == ["leasehold"]


async def test_what_somebody_drops_at_the_same_time_counts_as_removed(
    engine: MssqlEngine, server: FakeServer
) -> None:
    account, _ = await issued(engine)

    class Faster(dict[str, int]):
        """Drops the login just before the server is asked to."""

        def items(self):  # type: ignore[no-untyped-def]
            if server.log[-1].startswith("DROP LOGIN"):
                server.logins.pop(account.name, None)
            return super().items()

    server.fails = Faster()
    assert await engine.revoke(account) == REMOVED
