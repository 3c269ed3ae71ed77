"""The SQL Server engine keeps the contract against a real server, where one is given.

Without `LEASEHOLD_TEST_MSSQL_URL` all of it is skipped; tests/component/mssql runs the same against
a fake.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from leasehold.plugin import Secret
from leasehold.plugin.contract import REMOVED, EngineContract
from leasehold_plugins.mssql import MssqlEngine
from leasehold_plugins.mssql.address import read
from leasehold_plugins.mssql.link import Lost, SqlError
from leasehold_plugins.mssql.tds import dial
from servers.mssql import READER, MssqlServer
from servers.postgres import free_port

pytestmark = pytest.mark.servers


class OnAServer(EngineContract):
    database = "lhtest_app"
    options: Mapping[str, Any] = {}

    @pytest.fixture
    async def engine(self, mssql: MssqlServer) -> AsyncIterator[MssqlEngine]:
        made = MssqlEngine("main", mssql.connection(self.database, **self.options))
        await made.open()
        yield made
        await made.close()

    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return READER

    @pytest.fixture
    def broken(self, mssql: MssqlServer) -> MssqlEngine:
        connection = mssql.connection(self.database, **self.options)
        url = f"mssql://127.0.0.1:{free_port()}/{self.database}"
        return MssqlEngine("main", {**connection, "url": url})

    async def test_an_open_session_ends_with_its_account(
        self, engine: MssqlEngine, role: Mapping[str, Any], mssql: MssqlServer
    ) -> None:
        account = self.account(engine, role)
        made = await self.issue(engine, account)
        password = made.credential["password"]
        assert isinstance(password, Secret)
        where = read(f"mssql://127.0.0.1:{mssql.port}")
        link = dial(where, account.name, password.reveal(), self.database, 5)
        assert link.execute("SELECT 1") == [(1,)]
        assert await engine.revoke(account) == REMOVED
        with pytest.raises((Lost, SqlError)):
            link.execute("SELECT 1")
        link.close()

    async def test_what_owns_a_schema_is_given_to_the_heir(
        self, engine: MssqlEngine, role: Mapping[str, Any], mssql: MssqlServer
    ) -> None:
        account = self.account(engine, {**role, "reassign_owned_to": "dbo"})
        await self.issue(engine, account)
        mssql.execute(
            f"USE {self.database}",
            f"CREATE SCHEMA [{account.name}_s] AUTHORIZATION [{account.name}]",
        )
        assert await engine.revoke(account) == REMOVED
        mssql.execute(f"USE {self.database}; DROP SCHEMA [{account.name}_s]")


class TestLogins(OnAServer):
    @pytest.mark.parametrize("policy", ["ON", "OFF"])
    async def test_a_static_login_gets_its_password(
        self, engine: MssqlEngine, mssql: MssqlServer, policy: str
    ) -> None:
        options = f"PASSWORD = 'Old-1-of-a-test', CHECK_POLICY = {policy}"
        mssql.execute(f"CREATE LOGIN [lhtest_static] WITH {options}")
        try:
            password = Secret("New-1-of-a-test-0123456789")
            for _ in range(2):
                await engine.rotate_static("lhtest_static", password)
            assert await engine.login({"username": "lhtest_static", "password": password})
        finally:
            mssql.execute("DROP LOGIN [lhtest_static]")


class TestTwoDatabases(OnAServer):
    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return {**READER, "databases": ["lhtest_app", "lhtest_closed"]}


class TestStatements(OnAServer):
    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return {
            "creation_statements": (
                "CREATE LOGIN [{{name}}] WITH PASSWORD = '{{password}}'; USE lhtest_app;"
                "CREATE USER [{{name}}] FOR LOGIN [{{name}}]; GRANT SELECT TO [{{name}}]"
            )
        }


class TestContained(OnAServer):
    database = "lhtest_closed"
    options: Mapping[str, Any] = {"contained": True}
