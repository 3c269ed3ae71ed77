"""Whatever hangs on an account, it is locked and its sessions are ended; what is gone is well."""

import pymysql
import pytest

from leasehold.plugin import EnginePermanent, ErrorClass, Removal, Stage
from leasehold.plugin.contract import REMOVED
from leasehold_plugins.mysql import MysqlEngine
from servers.mysql import MysqlServer
from servers.mysql_engine import READER, SEEDS, account_for, clear, issue, weak

pytestmark = pytest.mark.servers


async def test_statements_that_fail_leave_nothing(engine: MysqlEngine, mysql: MysqlServer) -> None:
    role = {
        "creation_statements": [
            "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'",
            "GRANT SELECT ON app.no_such_table TO '{{name}}'@'%'",
        ],
        "rollback_statements": ["INSERT INTO app.items (name) VALUES ('{{name}}')"],
    }
    account = account_for(engine, role)
    with pytest.raises(EnginePermanent, match=r"no such table \(1146\)"):
        await issue(engine, account)
    assert mysql.execute("SELECT name FROM app.items") == ((account.name,),)
    mysql.execute("DELETE FROM app.items")
    assert account.name in mysql.accounts(), "no rollback takes an account away"
    assert await engine.revoke(account) == REMOVED
    assert account.name not in mysql.accounts()


async def test_a_right_or_an_account_that_is_gone_already_is_no_failure(
    engine: MysqlEngine, mysql: MysqlServer
) -> None:
    role = {
        **SEEDS,
        "revocation_statements": [
            "REVOKE SELECT ON other.* FROM '{{name}}'@'%'",  # 1141
            "DROP USER '{{name}}'@'%'",
            "REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{{name}}'@'%'",  # 1269 or 3162
            "DROP USER '{{name}}'@'%'",  # 1396
        ],
    }
    account = account_for(engine, role)
    await issue(engine, account)
    assert await engine.revoke(account) == REMOVED
    assert await engine.revoke(account) == REMOVED
    assert account.name not in mysql.accounts()


async def test_one_account_that_cannot_go_holds_up_no_other(
    engine: MysqlEngine, mysql: MysqlServer
) -> None:
    stays = {**SEEDS, "revocation_statements": ["DROP TABLE app.no_such_table"]}
    accounts = [account_for(engine, stays if n == 1 else READER) for n in range(3)]
    made = [await issue(engine, account) for account in accounts]
    first, second, third = await engine.revoke_many(accounts)
    assert (first, third) == (REMOVED, REMOVED)
    assert isinstance(second, Removal)
    assert second.stage is Stage.DISABLED
    assert "1051" in second.residue
    assert not await engine.login(made[1].credential)
    mysql.execute(f"DROP USER '{accounts[1].name}'@'%'")


async def test_sessions_of_an_account_that_somebody_dropped_are_ended_too(
    engine: MysqlEngine, mysql: MysqlServer
) -> None:
    account = account_for(engine)
    issued = await issue(engine, account)
    with mysql.connect(user=account.name, password=clear(issued)) as session:
        mysql.execute(f"DROP USER '{account.name}'@'%'")
        session.cursor().execute("SELECT 1")
        assert await engine.revoke(account) == REMOVED
        with pytest.raises(pymysql.OperationalError):
            session.cursor().execute("SELECT 1")


def reading(mysql: MysqlServer) -> str:
    return "GRANT SELECT ON mysql.*" if mysql.is_mariadb else "GRANT SELECT ON mysql.user"


async def test_without_process_sessions_are_not_taken_for_absent(mysql: MysqlServer) -> None:
    grants = ["GRANT CREATE USER ON *.*", reading(mysql)]
    async with weak(mysql, "test_blind", *grants) as engine:
        account = account_for(engine, SEEDS)
        mysql.execute(f"CREATE USER '{account.name}'@'%' IDENTIFIED BY 'x'")
        with pytest.raises(EnginePermanent, match="lacks PROCESS") as told:
            await engine.revoke(account)
    assert told.value.error_class is ErrorClass.DENIED
    assert not mysql.can_log_in(account.name, "x")
    mysql.execute(f"DROP USER '{account.name}'@'%'")


async def test_a_session_that_may_not_be_ended_is_told(mysql: MysqlServer) -> None:
    grants = ["GRANT CREATE USER, PROCESS ON *.*", reading(mysql)]
    async with weak(mysql, "test_mild", *grants) as engine:
        busy, idle = (account_for(engine, SEEDS) for _ in range(2))
        for account in (busy, idle):
            mysql.execute(f"CREATE USER '{account.name}'@'%' IDENTIFIED BY 'x'")
        with mysql.connect(user=busy.name, password="x"):
            first, second = await engine.revoke_many([busy, idle])
    assert isinstance(first, EnginePermanent)
    assert "1095" in first.reason
    assert second == REMOVED
    mysql.execute(f"DROP USER '{busy.name}'@'%'")
