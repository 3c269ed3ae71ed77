"""The engine keeps the contract against the fake, with logins and with contained users.

The same contract runs against a real server in tests/integration/test_mssql.py, where one is given.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import sqlglot

from fakes.mssql import FakeServer
from fakes.mssql_engine import CONTAINED, LOGINS, READER, engine_for
from leasehold.plugin import Engine
from leasehold.plugin.contract import EngineContract
from leasehold_plugins.mssql import MssqlEngine


class OnTheFake(EngineContract):
    connection: Mapping[str, Any] = LOGINS

    @pytest.fixture
    async def engine(self, server: FakeServer) -> AsyncIterator[Engine]:
        made = engine_for(server, dict(self.connection))
        await made.open()
        yield made
        await made.close()
        assert all(len(sqlglot.parse(one, read="tsql")) == 1 for one in server.log)

    @pytest.fixture
    def broken(self, server: FakeServer) -> Engine:
        url = str(self.connection["url"]).replace("localhost", "localhost:1")
        return engine_for(server, {**self.connection, "url": url})


class TestLogins(OnTheFake):
    @pytest.fixture(params=["group", "two databases", "statements", "Azure's Managed Instance"])
    def role(self, request: pytest.FixtureRequest, server: FakeServer) -> Mapping[str, Any]:
        if request.param == "two databases":
            return {"member_of": ["app_readonly"], "databases": ["app", "reports"]}
        if request.param == "statements":
            return {
                "creation_statements": (
                    "CREATE LOGIN [{{name}}] WITH PASSWORD = '{{password}}'; USE [reports];"
                    "CREATE USER [{{name}}] FOR LOGIN [{{name}}]; GRANT SELECT TO [{{name}}]"
                ),
                "revocation_statements": "USE [reports]; DROP USER IF EXISTS [{{name}}]",
            }
        if request.param == "Azure's Managed Instance":
            server.edition = 8
        return READER


class TestContained(OnTheFake):
    connection = CONTAINED

    @pytest.fixture(params=["SQL Server", "Azure SQL Database"])
    def role(self, request: pytest.FixtureRequest, server: FakeServer) -> Mapping[str, Any]:
        if request.param == "Azure SQL Database":
            server.edition = 5
        return READER


def test_the_engine_is_what_the_entry_point_gives(engine: MssqlEngine) -> None:
    assert engine.target_id == "mssql:server:db1\\main"
