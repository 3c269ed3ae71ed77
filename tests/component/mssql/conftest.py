"""Open engines on the fake server."""

from collections.abc import AsyncIterator

import pytest

from fakes.mssql import FakeServer
from fakes.mssql_engine import CONTAINED, LOGINS, engine_for, new_server
from leasehold_plugins.mssql import MssqlEngine


@pytest.fixture
def server() -> FakeServer:
    return new_server()


@pytest.fixture
async def engine(server: FakeServer) -> AsyncIterator[MssqlEngine]:
    made = engine_for(server, LOGINS)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def contained(server: FakeServer) -> AsyncIterator[MssqlEngine]:
    made = engine_for(server, CONTAINED)
    await made.open()
    yield made
    await made.close()
