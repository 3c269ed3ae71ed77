"""An open engine on the fake database."""

from collections.abc import AsyncIterator

import pytest

from fakes.oracle import FakeDatabase
from fakes.oracle_engine import opened
from leasehold_plugins.oracle import OracleEngine


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase()


@pytest.fixture
async def engine(database: FakeDatabase) -> AsyncIterator[OracleEngine]:
    async with opened(database) as made:
        yield made
