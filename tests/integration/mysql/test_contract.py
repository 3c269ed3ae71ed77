"""The MySQL engine keeps the contract, as root and with the least rights that its page shows.

The server is a private MariaDB, or the MySQL that `LEASEHOLD_TEST_MYSQL_URL` names.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pymysql
import pytest

from leasehold.plugin import Secret
from leasehold.plugin.contract import REMOVED, EngineContract
from leasehold_plugins.mysql import MysqlEngine
from servers.mysql import MysqlServer
from servers.mysql_engine import READER, WRITER, clear, engine_for, opened, weak
from servers.postgres import free_port

pytestmark = pytest.mark.servers


def least_rights(server: MysqlServer) -> list[str]:
    """The grants of docs/engines/mysql.md."""
    if server.is_mariadb:
        return [
            "GRANT CREATE USER, PROCESS, CONNECTION ADMIN ON *.* TO test_maker@'%'",
            "GRANT SHOW VIEW, TRIGGER, EVENT ON *.* TO test_maker@'%'",
            "GRANT SELECT, UPDATE ON mysql.* TO test_maker@'%'",
        ]
    return [
        "GRANT CREATE USER, PROCESS, CONNECTION_ADMIN ON *.* TO test_maker@'%'",
        "GRANT SHOW VIEW, TRIGGER, EVENT, SHOW_ROUTINE ON *.* TO test_maker@'%'",
        "GRANT SELECT (user, host, password_last_changed) ON mysql.user TO test_maker@'%'",
    ]


class MysqlContract(EngineContract):
    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return READER

    @pytest.fixture
    def broken(self, mysql: MysqlServer) -> MysqlEngine:
        return engine_for(mysql, url=f"mysql://127.0.0.1:{free_port()}/app")

    async def test_an_open_session_ends_with_its_account(
        self, engine: MysqlEngine, role: Mapping[str, Any], mysql: MysqlServer
    ) -> None:
        account = self.account(engine, role)
        issued = await self.issue(engine, account)
        with mysql.connect(user=account.name, password=clear(issued)) as session:
            cursor = session.cursor()
            cursor.execute("SELECT count(*) FROM app.items")
            assert cursor.fetchall() == ((0,),)
            assert await engine.revoke(account) == REMOVED
            with pytest.raises(pymysql.OperationalError) as told:
                cursor.execute("SELECT 1")
            assert told.value.args[0] in (2006, 2013)


class TestAllRights(MysqlContract):
    @pytest.fixture
    async def engine(self, mysql: MysqlServer) -> AsyncIterator[MysqlEngine]:
        async with opened(mysql) as engine:
            yield engine


class TestLeastRights(MysqlContract):
    @pytest.fixture
    async def engine(self, mysql: MysqlServer) -> AsyncIterator[MysqlEngine]:
        mysql.execute(
            "CREATE USER IF NOT EXISTS test_maker@'%' IDENTIFIED BY 'm4ker'",
            *least_rights(mysql),
            "GRANT app_readonly TO test_maker@'%' WITH ADMIN OPTION",
            "GRANT app_writer TO test_maker@'%' WITH ADMIN OPTION",
        )
        least = {"username": "test_maker", "password": Secret("m4ker")}
        async with opened(mysql, **least) as engine:
            yield engine

    async def test_what_is_granted_is_all_that_check_asks_for(self, engine: MysqlEngine) -> None:
        assert (await engine.check([READER, WRITER])).missing == ()


async def test_missing_rights_are_named_with_the_line_to_run(mysql: MysqlServer) -> None:
    async with weak(mysql, "test_weak") as engine:
        await told_and_mended(engine, mysql)


async def told_and_mended(engine: MysqlEngine, mysql: MysqlServer) -> None:
    health = await engine.check([READER, {**READER, "reassign_definer_to": "nobody@localhost"}])
    lines = "\n".join(health.missing)
    for right in ("CREATE USER", "PROCESS", "SHOW VIEW, TRIGGER, EVENT"):
        assert f"GRANT {right}" in lines
    assert f"CONNECTION{' ' if mysql.is_mariadb else '_'}ADMIN ON *.* TO 'test_weak'@'%';" in lines
    assert "GRANT `app_readonly` TO 'test_weak'@'%' WITH ADMIN OPTION;" in lines
    for line in lines.splitlines():
        if "app_readonly" not in line:
            mysql.execute(line.partition(": ")[2])
    mysql.execute("GRANT app_readonly TO test_weak@'%' WITH ADMIN OPTION")
    roles = [READER, {"member_of": ["nobody_made_this"], "reassign_definer_to": "nobody@localhost"}]
    health = await engine.check(roles)
    mysql.execute("DROP USER IF EXISTS nobody@localhost")
    assert list(health.missing) == [
        "role nobody_made_this is missing: CREATE ROLE `nobody_made_this`;",
        "account nobody@localhost is missing: CREATE USER 'nobody'@'localhost' ACCOUNT LOCK;",
    ]


async def test_an_anonymous_account_that_would_be_taken_for_ours_is_told(
    engine: MysqlEngine, mysql: MysqlServer
) -> None:
    mysql.execute("CREATE USER ''@'nowhere.example'")
    try:
        health = await engine.check([READER])
    finally:
        mysql.execute("DROP USER ''@'nowhere.example'")
    assert any("DROP USER ''@'nowhere.example';" in line for line in health.missing)
