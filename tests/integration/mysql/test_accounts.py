"""Accounts as the server has them: user and host, roles, verifiers, the day they end."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from leasehold.plugin import Account, EnginePermanent, IssueRequest, PasswordPolicy
from leasehold.plugin.contract import REMOVED
from leasehold_plugins.mysql import MysqlEngine
from servers.mysql import MysqlServer, PrivateMariadb
from servers.mysql_engine import READER, SEEDS, account_for, clear, issue, opened

pytestmark = pytest.mark.servers


async def test_the_seeds_own_statements_make_and_unmake_an_account(
    engine: MysqlEngine, mysql: MysqlServer
) -> None:
    account = account_for(engine, SEEDS)
    issued = await issue(engine, account)
    assert await engine.login(issued.credential)
    assert await engine.revoke(account) == REMOVED
    assert account.name not in mysql.accounts()


async def test_no_clear_password_reaches_the_server(mariadb: PrivateMariadb) -> None:
    async with opened(mariadb) as engine:
        for role in (READER, SEEDS):
            account = account_for(engine, role)
            issued = await issue(engine, account)
            log = mariadb.log()
            assert f"CREATE USER '{account.name}'" in log, "the server logs every statement"
            assert clear(issued) not in log
            await engine.revoke(account)


@pytest.fixture
def odd_mode(mysql: MysqlServer) -> Iterator[None]:
    [(before,)] = mysql.execute("SELECT @@global.sql_mode")
    mysql.execute("SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'")
    yield
    mysql.execute(f"SET GLOBAL sql_mode = '{before}'")


@pytest.mark.usefixtures("odd_mode")
async def test_quotes_and_backslashes_mean_the_same_whatever_the_servers_mode(
    engine: MysqlEngine, mysql: MysqlServer
) -> None:
    role = {
        "creation_statements": [
            "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'",
            "INSERT INTO app.items (name) VALUES ('{{password}}'), (\"{{password}}\")",
        ]
    }
    account = account_for(engine, role)
    policy = PasswordPolicy(required={"symbols": 12}, allowed_symbols="\\'\"`")
    mysql.execute("DELETE FROM app.items")
    issued = await engine.issue(request(account, policy))
    assert await engine.login(issued.credential)
    assert mysql.execute("SELECT DISTINCT name FROM app.items") == ((clear(issued),),)
    mysql.execute("DELETE FROM app.items")
    await engine.revoke(account)


def request(account: Account, policy: PasswordPolicy, hours: int = 1) -> IssueRequest:
    return IssueRequest(
        account=account,
        expires_at=datetime.now(UTC) + timedelta(hours=hours),
        password_policy=policy,
        comment="it's a \\ test",
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.%", "localhost"])
async def test_an_account_goes_with_the_host_it_was_made_with(
    engine: MysqlEngine, mysql: MysqlServer, host: str
) -> None:
    account = account_for(engine, {**READER, "host": host})
    await issue(engine, account)
    query = f"SELECT host FROM mysql.user WHERE user = '{account.name}'"
    assert mysql.execute(query) == ((host,),)
    assert await engine.revoke(account) == REMOVED
    assert mysql.execute(query) == ()


async def test_a_name_at_two_hosts_goes_from_both(engine: MysqlEngine, mysql: MysqlServer) -> None:
    made = "CREATE USER '{{name}}'@'10.%' IDENTIFIED BY '{{password}}'"
    role = {"creation_statements": [made, made.replace("10.%", "127.0.0.1")]}
    account = account_for(engine, role)
    await issue(engine, account)
    await engine.renew(account, datetime.now(UTC) + timedelta(hours=2))
    assert await engine.revoke(account) == REMOVED
    assert account.name not in mysql.accounts()


async def test_a_name_of_32_characters_is_whole(engine: MysqlEngine) -> None:
    account = replace(account_for(engine), name="lhtest_" + "a" * 25)
    issued = await issue(engine, account)
    assert await engine.login(issued.credential)
    assert await engine.revoke(account) == REMOVED


async def test_mariadb_takes_one_role_and_says_so(mariadb: PrivateMariadb) -> None:
    async with opened(mariadb) as engine:
        role = {"member_of": ["app_readonly", "app_writer"]}
        with pytest.raises(EnginePermanent, match="can list only one"):
            await issue(engine, account_for(engine, role))
        [line] = (await engine.check([role])).missing
        assert line.startswith("MariaDB switches on one role at login")


async def test_roles_are_switched_on_at_login(engine: MysqlEngine, mysql: MysqlServer) -> None:
    both = [] if mysql.is_mariadb else ["app_writer"]
    account = account_for(engine, {"member_of": ["app_readonly", *both]})
    issued = await issue(engine, account)
    with mysql.connect("app", user=account.name, password=clear(issued)) as session:
        cursor = session.cursor()
        cursor.execute("SELECT COUNT(*) FROM items")
        if both:
            cursor.execute("INSERT INTO items (name) VALUES ('x')")
            cursor.execute("DELETE FROM items")
    await engine.revoke(account)


def lifetime(mysql: MysqlServer, account: Account) -> str:
    [(text,)] = mysql.execute(f"SHOW CREATE USER '{account.name}'@'%'")
    return str(text).partition("EXPIRE ")[2].partition(" DAY")[0]


async def test_the_password_expires_on_the_day_after_the_lease(
    engine: MysqlEngine, mysql: MysqlServer
) -> None:
    account = account_for(engine)
    await issue(engine, account)
    assert lifetime(mysql, account) == "INTERVAL 1"
    await engine.renew(account, datetime.now(UTC) + timedelta(hours=47))
    assert lifetime(mysql, account) == "INTERVAL 2"
    await engine.revoke(account)


async def test_a_renewal_counts_from_when_the_password_was_set(
    engine: MysqlEngine, mysql: MysqlServer
) -> None:
    account = account_for(engine)
    issued = await issue(engine, account)
    set_back(mysql, account, days=5)
    assert not await engine.login(issued.credential), "the server ended it by itself"
    await engine.renew(account, datetime.now(UTC) + timedelta(hours=1))
    assert lifetime(mysql, account) == "INTERVAL 6"
    assert await engine.login(issued.credential)
    await engine.revoke(account)


def set_back(mysql: MysqlServer, account: Account, days: int) -> None:
    """Make the account's password older."""
    where = f"WHERE user = '{account.name}'"
    if mysql.is_mariadb:
        key = "$.password_last_changed"
        older = f"JSON_SET(priv, '{key}', JSON_VALUE(priv, '{key}') - {days * 86_400})"
        update = f"UPDATE mysql.global_priv SET priv = {older} {where}"
    else:
        older = f"password_last_changed - INTERVAL {days} DAY"
        update = f"UPDATE mysql.user SET password_last_changed = {older} {where}"
    mysql.execute(update, "FLUSH PRIVILEGES")


async def test_renewing_what_is_gone_is_refused(engine: MysqlEngine) -> None:
    with pytest.raises(EnginePermanent, match="the account is gone"):
        await engine.renew(account_for(engine), datetime.now(UTC))


async def test_a_text_is_not_split_at_the_semicolons_of_its_values_and_comments(
    engine: MysqlEngine, mysql: MysqlServer
) -> None:
    role = {
        "creation_statements": """
            CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'; -- one; and two
            INSERT INTO app.items (name) VALUES ('a; b'), ("c;"); /* ; */
            GRANT SELECT ON `app`.* TO '{{name}}'@'%';
        """
    }
    mysql.execute("DELETE FROM app.items")
    account = account_for(engine, role)
    issued = await issue(engine, account)
    assert await engine.login(issued.credential)
    assert set(mysql.execute("SELECT name FROM app.items")) == {("a; b",), ("c;",)}
    mysql.execute("DELETE FROM app.items")
    assert await engine.revoke(account) == REMOVED
