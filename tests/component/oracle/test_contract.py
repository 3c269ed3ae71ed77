"""The engine keeps the contract against the fake, also as it is at Amazon RDS.

The same contract runs against a real database in tests/integration/test_oracle.py, where one is
given.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import sqlglot

from fakes.oracle import FakeDatabase
from fakes.oracle_engine import READER, engine_for, opened
from leasehold.plugin import Engine
from leasehold.plugin.contract import EngineContract


class OnTheFake(EngineContract):
    rds = False

    @pytest.fixture
    def database(self) -> FakeDatabase:
        return FakeDatabase(rds=self.rds)

    @pytest.fixture
    async def engine(self, database: FakeDatabase) -> AsyncIterator[Engine]:
        async with opened(database) as made:
            yield made
        plain = [one for one in database.log if not one.startswith("BEGIN")]
        assert all(len(sqlglot.parse(one, read="oracle")) == 1 for one in plain)

    @pytest.fixture
    def broken(self, database: FakeDatabase) -> Engine:
        return engine_for(database, url="oracle://localhost:1/app_pdb")

    @pytest.fixture(params=["group", "statements"])
    def role(self, request: pytest.FixtureRequest) -> Mapping[str, Any]:
        if request.param == "statements":
            return {
                "creation_statements": (
                    'CREATE USER {{name}} IDENTIFIED BY "{{password}}";'
                    " GRANT CREATE SESSION TO {{name}}; GRANT APP_READONLY TO {{name}}"
                ),
                "revocation_statements": "DROP USER {{name}}",
            }
        return READER


class TestDatabase(OnTheFake):
    pass


class TestRds(OnTheFake):
    rds = True
