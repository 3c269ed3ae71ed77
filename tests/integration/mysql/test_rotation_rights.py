"""What a rotation will need is told before it, and only that keeps it from being made."""

import pytest

from leasehold.plugin import EngineError, Secret
from leasehold_plugins.mysql import MysqlEngine
from servers.mysql import MysqlServer
from servers.mysql_engine import opened, weak

pytestmark = pytest.mark.servers
WEAK = {"username": "turning", "password": Secret("weak")}
NEW = Secret("a-password-of-a-test-0123456789")
GRANTS = (
    ("GRANT SELECT ON *.*",),
    ("GRANT CREATE USER, SELECT ON *.*",),
    ("GRANT SELECT, UPDATE ON mysql.*",),
    ("GRANT CREATE USER ON *.*", "GRANT SELECT, UPDATE ON mysql.*"),
    ("GRANT CREATE USER ON *.*",),
)


async def rotates(engine: MysqlEngine) -> bool:
    try:
        await engine.rotate_static("billing", NEW)
    except EngineError:
        return False
    return True


@pytest.mark.parametrize("grants", GRANTS, ids=" ".join)
async def test_the_lines_that_are_told_are_what_a_rotation_lacks(
    mysql: MysqlServer, grants: tuple[str, ...]
) -> None:
    mysql.execute("CREATE USER billing@'%' IDENTIFIED BY 'old'")
    try:
        async with weak(mysql, "turning", *grants) as engine:
            told = await engine.check_rotation("billing")
            assert await rotates(engine) == (not told)
            while told:
                mysql.execute(*(line.partition(": ")[2] for line in told))
                async with opened(mysql, url=engine.connection["url"], **WEAK) as again:
                    told = await again.check_rotation("billing")
                    assert await rotates(again) == (not told)
    finally:
        mysql.execute("DROP USER billing@'%'", "DROP USER turning@'%'")


async def test_an_account_that_is_missing_is_told_with_the_line_that_makes_it(
    engine: MysqlEngine, mysql: MysqlServer
) -> None:
    [line] = await engine.check_rotation("nobody_here")
    assert line == (
        "cannot rotate nobody_here, there is no such account: CREATE USER 'nobody_here'@'%'"
        " IDENTIFIED BY '…';"
    )
    assert "nobody_here" not in mysql.accounts()


async def test_the_administrator_itself_needs_nothing_more(mysql: MysqlServer) -> None:
    async with weak(mysql, "turning", "GRANT SELECT ON *.*") as engine:
        assert await engine.check_rotation(None) == []
        await engine.rotate_root(NEW)
    mysql.execute("DROP USER turning@'%'")
