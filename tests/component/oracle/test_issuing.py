"""How accounts are made, and what is asked of the administrator for it."""

import re

import pytest

from fakes.oracle import FakeDatabase
from fakes.oracle_engine import READER, clear, engine_for, issued, opened
from leasehold.plugin import EnginePermanent, EngineTemporary, PasswordPolicy, Secret
from leasehold.plugin.contract import REMOVED, EngineContract
from leasehold_plugins.oracle import OracleEngine
from leasehold_plugins.oracle.making import password_for

GRANTS = {
    "CREATE USER": 'cannot make users: GRANT CREATE USER TO "LEASEHOLD";',
    "ALTER USER": 'cannot lock users: GRANT ALTER USER TO "LEASEHOLD";',
    "DROP USER": 'cannot drop users: GRANT DROP USER TO "LEASEHOLD";',
    "ALTER SYSTEM": (
        'cannot end sessions: GRANT ALTER SYSTEM TO "LEASEHOLD"; or at Amazon RDS: GRANT EXECUTE'
        ' ON rdsadmin.rdsadmin_util TO "LEASEHOLD";'
    ),
    "CREATE SESSION WITH ADMIN": (
        'cannot let accounts log in: GRANT CREATE SESSION TO "LEASEHOLD" WITH ADMIN OPTION;'
    ),
    "gv_$session": 'cannot see sessions: GRANT SELECT ON sys.gv_$session TO "LEASEHOLD";',
    "v_$parameter": (
        "cannot see how many sessions there may be:"
        ' GRANT SELECT ON sys.v_$parameter TO "LEASEHOLD";'
    ),
}


async def test_an_account_stands_in_capitals_and_logs_in_with_small_letters(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    account, made = await issued(engine)
    assert made.credential["username"] == account.name == account.name.lower()
    assert account.name.upper() in database.users
    assert await engine.login(made.credential)


async def test_a_user_with_small_letters_in_quotes_is_none_of_ours(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    account, _ = await issued(engine)
    database.users[account.name] = database.users.pop(account.name.upper())
    assert [name async for name in engine.accounts("^lhtest")] == []
    assert await engine.revoke(account) == REMOVED
    assert account.name in database.users


async def test_names_of_a_policy_are_read_as_oracle_reads_them(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    role = {"member_of": ["app_readonly", '"app_ro"'], "profile": "leases", "tablespace": "users"}
    account, _ = await issued(engine, **role)
    user = database.users[account.name.upper()]
    assert user.granted == {"CREATE SESSION", "APP_READONLY", "app_ro"}
    assert user.options == ' PROFILE "LEASES" DEFAULT TABLESPACE "USERS"'


@pytest.mark.parametrize(("version", "length"), [("19.22.0.0.0", 30), ("23.9.0.25.7", 32)])
async def test_a_password_is_as_long_as_the_database_takes(version: str, length: int) -> None:
    async with opened(FakeDatabase(version=version)) as engine:
        _, made = await issued(engine)
        assert len(clear(made)) == length


def test_a_policy_that_is_chosen_and_too_long_is_refused_and_not_shortened() -> None:
    with pytest.raises(EnginePermanent, match="makes 40 characters, and Oracle before 23 takes 30"):
        password_for(PasswordPolicy(length=40), (19, 22))
    assert len(password_for(PasswordPolicy(length=40), (23, 9))) == 40


def test_a_password_has_what_a_verify_function_asks_for() -> None:
    for _ in range(300):
        made = password_for(PasswordPolicy(), (19,))
        assert all(re.search(kind, made) for kind in ("[0-9]", "[a-z]", "[A-Z]"))


async def test_a_half_made_account_is_cleared_away_by_its_name(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    database.fails = {"^GRANT": 4021}
    account = EngineContract.account(engine, READER)
    with pytest.raises(EngineTemporary, match="ORA-04021"):
        await EngineContract.issue(engine, account)
    assert account.name.upper() in database.users
    assert await engine.revoke(account) == REMOVED
    assert account.name.upper() not in database.users


async def test_statements_that_make_another_account_are_refused_and_rolled_back(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    own = {
        "creation_statements": 'CREATE USER "SOMEBODY" IDENTIFIED BY {{password}}',
        "rollback_statements": 'DROP USER "SOMEBODY"',
    }
    with pytest.raises(EnginePermanent, match=r"make no user called \{\{name\}\}"):
        await issued(engine, **own)
    assert "SOMEBODY" not in database.users


async def test_the_identity_is_that_of_database_and_container(engine: OracleEngine) -> None:
    assert engine.target_id == "oracle:1234567890.42"


async def test_who_may_not_see_the_database_is_told_what_to_grant() -> None:
    database = FakeDatabase()
    database.lacks.add("v_$database")
    with pytest.raises(EnginePermanent, match=r"GRANT SELECT ON sys\.v_\$database TO leasehold;"):
        await engine_for(database).open()
    assert not database.sessions


async def test_a_refused_administrator_is_told() -> None:
    with pytest.raises(EnginePermanent, match="refuses the administrator's login"):
        await engine_for(FakeDatabase(), password=Secret("wrong")).open()


@pytest.mark.parametrize("right", GRANTS)
async def test_a_missing_right_is_named_with_the_line_to_run(
    engine: OracleEngine, database: FakeDatabase, right: str
) -> None:
    database.lacks.add(right)
    assert (await engine.check([READER])).missing == (GRANTS[right],)


async def test_a_role_that_cannot_be_granted_is_named(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    [line] = (await engine.check([{"member_of": ["nowhere"]}])).missing
    assert line == (
        'cannot grant role "NOWHERE", or it is missing: GRANT "NOWHERE" TO "LEASEHOLD" WITH ADMIN'
        " OPTION;"
    )


async def test_at_rds_nobody_needs_alter_system() -> None:
    database = FakeDatabase(rds=True)
    database.lacks.add("ALTER SYSTEM")
    async with opened(database) as engine:
        assert (await engine.check([READER])).ok


async def test_a_place_where_no_account_can_be_made_is_told(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    database.container, database.mode = ("CDB$ROOT", 1), "READ ONLY"
    database.version = "12.1.0.2.0"
    old, read_only, root = (await engine.check([READER])).missing
    assert "older than 12.2" in old
    assert "read-only" in read_only
    assert "CDB$ROOT is the root of a container database" in root


async def test_sessions_are_a_ceiling(engine: OracleEngine, database: FakeDatabase) -> None:
    [ceiling] = await engine.ceilings({})
    assert (ceiling.name, ceiling.most) == ("sessions", 472)
    database.lacks.add("v_$parameter")
    assert await engine.ceilings({}) == ()


async def test_a_connection_that_died_while_it_was_idle_is_not_used_again(
    engine: OracleEngine, database: FakeDatabase
) -> None:
    database.sessions.clear()
    account, _ = await issued(engine)
    assert account.name.upper() in database.users
