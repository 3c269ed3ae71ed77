"""Objects that name an account as their DEFINER keep it, get an heir, or are left."""

from collections.abc import Iterator, Mapping
from typing import Any

import pymysql
import pytest

from leasehold.plugin import Account, Removal, Stage
from leasehold.plugin.contract import REMOVED
from leasehold_plugins.mysql import MysqlEngine
from servers.mysql import MysqlServer
from servers.mysql_engine import WRITER, account_for, clear, issue

pytestmark = pytest.mark.servers


async def with_objects(engine: MysqlEngine, mysql: MysqlServer, role: Mapping[str, Any]) -> Account:
    """An account that made a view and an event, as a migration would."""
    account = account_for(engine, role)
    issued = await issue(engine, account)
    with mysql.connect("app", user=account.name, password=clear(issued)) as session:
        session.cursor().execute("CREATE VIEW named AS SELECT id FROM items")
        session.cursor().execute(
            "CREATE EVENT daily ON SCHEDULE EVERY 1 DAY COMMENT 'it''s' DO DO 0"
        )
    return account


@pytest.fixture
def objects(mysql: MysqlServer) -> Iterator[None]:
    yield
    mysql.execute(
        "DROP VIEW IF EXISTS app.named",
        "DROP EVENT IF EXISTS app.daily",
        "DROP PROCEDURE IF EXISTS app.done",
        "DROP USER IF EXISTS test_heir@localhost",
    )


DEFINERS = (
    "SELECT definer FROM information_schema.views WHERE table_name = 'named' UNION ALL"
    " SELECT definer FROM information_schema.events WHERE event_name = 'daily'"
)


@pytest.mark.usefixtures("objects")
async def test_an_account_that_objects_name_stays_locked_until_they_are_gone(
    engine: MysqlEngine, mysql: MysqlServer
) -> None:
    account = await with_objects(engine, mysql, WRITER)
    plain = account_for(engine)
    await issue(engine, plain)
    residue = "2 objects name the account as their DEFINER"
    disabled = Removal(stage=Stage.DISABLED, residue=residue)
    assert await engine.revoke_many([account, plain]) == [disabled, REMOVED]
    assert mysql.accounts(account.name) == [account.name]
    mysql.execute("DROP VIEW app.named", "DROP EVENT app.daily")
    assert await engine.revoke(account) == REMOVED


@pytest.mark.usefixtures("objects")
async def test_views_and_events_go_to_their_heir(engine: MysqlEngine, mysql: MysqlServer) -> None:
    mysql.execute("CREATE USER test_heir@localhost ACCOUNT LOCK")
    role = {**WRITER, "reassign_definer_to": "test_heir@localhost"}
    account = await with_objects(engine, mysql, role)
    assert await engine.revoke(account) == REMOVED
    assert mysql.execute(DEFINERS) == (("test_heir@localhost",),) * 2
    [(comment,)] = mysql.execute(
        "SELECT event_comment FROM information_schema.events WHERE event_name = 'daily'"
    )
    assert comment == "it's"


@pytest.mark.usefixtures("objects")
async def test_a_routine_has_no_heir_and_is_left_to_a_person(
    engine: MysqlEngine, mysql: MysqlServer
) -> None:
    mysql.execute("CREATE USER test_heir@localhost ACCOUNT LOCK")
    role = {**WRITER, "reassign_definer_to": "test_heir@localhost"}
    account = await with_objects(engine, mysql, role)
    mysql.execute(f"CREATE DEFINER = '{account.name}'@'%' PROCEDURE app.done() SELECT 1")
    removal = await engine.revoke(account)
    assert removal.residue == "1 objects name the account as their DEFINER"
    mysql.execute("DROP PROCEDURE app.done")
    assert await engine.revoke(account) == REMOVED


@pytest.mark.usefixtures("objects")
async def test_objects_are_left_without_their_definer_where_the_role_says_so(
    engine: MysqlEngine, mysql: MysqlServer
) -> None:
    account = await with_objects(engine, mysql, {**WRITER, "definer_objects": "leave"})
    assert await engine.revoke(account) == REMOVED
    assert mysql.execute(DEFINERS) == ((f"{account.name}@%",),) * 2
    with pytest.raises(pymysql.MySQLError) as told:
        mysql.execute("SELECT * FROM app.named")
    assert told.value.args[0] == 1449
