"""An open engine, whose administrator may do everything."""

from collections.abc import AsyncIterator

import pytest

from leasehold_plugins.mysql import MysqlEngine
from servers.mysql import MysqlServer
from servers.mysql_engine import opened


@pytest.fixture
async def engine(mysql: MysqlServer) -> AsyncIterator[MysqlEngine]:
    async with opened(mysql) as made:
        yield made
