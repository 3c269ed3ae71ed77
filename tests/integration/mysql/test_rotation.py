"""Passwords of accounts that stand, changed where only a verifier may reach the server."""

import pytest

from leasehold.plugin import EnginePermanent, ErrorClass, Secret
from leasehold_plugins.mysql import MysqlEngine
from servers.mysql import MysqlServer, PrivateMariadb
from servers.mysql_engine import opened, weak

pytestmark = pytest.mark.servers
NEW = Secret("a-password-of-a-test-0123456789")


def credential(name: str) -> dict[str, str | Secret]:
    return {"username": name, "password": NEW}


async def test_the_administrator_gives_itself_another_password(mysql: MysqlServer) -> None:
    async with weak(mysql, "turning", "GRANT CREATE USER, SELECT ON *.*") as engine:
        await engine.rotate_root(NEW)
        await engine.rotate_root(NEW)
        assert await engine.login(credential("turning"))
        assert not await engine.login({"username": "turning", "password": Secret("weak")})
        url = f"mysql://127.0.0.1:{mysql.port}"
        async with opened(mysql, url=url, username="turning", password=NEW) as again:
            assert again.target_id == engine.target_id
    mysql.execute("DROP USER turning@'%'")


async def test_a_static_account_gets_its_password_at_each_of_its_hosts(
    engine: MysqlEngine, mysql: MysqlServer
) -> None:
    hosts = ("%", "10.0.0.1")
    mysql.execute(*(f"CREATE USER billing@'{host}' IDENTIFIED BY 'old'" for host in hosts))
    try:
        await engine.rotate_static("billing", NEW)
        assert await engine.login(credential("billing"))
        assert not await engine.login({"username": "billing", "password": Secret("old")})
    finally:
        mysql.execute(*(f"DROP USER billing@'{host}'" for host in hosts))


async def test_an_account_that_is_missing_is_not_made(
    engine: MysqlEngine, mysql: MysqlServer
) -> None:
    with pytest.raises(EnginePermanent) as told:
        await engine.rotate_static("nobody_here", NEW)
    assert told.value.error_class is ErrorClass.ABSENT
    assert "nobody_here" not in mysql.accounts()


async def test_without_the_right_the_refusal_says_what_to_grant(mysql: MysqlServer) -> None:
    mysql.execute("CREATE USER billing@'%' IDENTIFIED BY 'old'")
    try:
        async with weak(mysql, "turning", "GRANT SELECT ON *.*") as engine:
            with pytest.raises(EnginePermanent, match=r"GRANT (UPDATE|CREATE USER) ON"):
                await engine.rotate_static("billing", NEW)
    finally:
        mysql.execute("DROP USER billing@'%'", "DROP USER turning@'%'")


async def test_no_clear_password_reaches_the_log(mariadb: PrivateMariadb) -> None:
    mariadb.execute("CREATE USER billing@'%' IDENTIFIED BY 'old'")
    try:
        async with opened(mariadb) as engine:
            await engine.rotate_static("billing", NEW)
        assert "SET PASSWORD FOR 'billing'" in mariadb.log()
        assert NEW.reveal() not in mariadb.log()
    finally:
        mariadb.execute("DROP USER billing@'%'")
