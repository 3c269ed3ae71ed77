"""The Oracle engine keeps the contract against a real database, where one is given.

Without `LEASEHOLD_TEST_ORACLE_URL` all of it is skipped; tests/component/oracle runs the same
against a fake.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from leasehold.plugin import Secret
from leasehold.plugin.contract import REMOVED, EngineContract
from leasehold_plugins.oracle import OracleEngine
from leasehold_plugins.oracle.address import read
from leasehold_plugins.oracle.link import Lost, SqlError
from leasehold_plugins.oracle.thin import dial
from servers.oracle import FRESH, READER, OracleDatabase
from servers.postgres import free_port

pytestmark = pytest.mark.servers


class OnADatabase(EngineContract):
    @pytest.fixture
    async def engine(self, oracle: OracleDatabase) -> AsyncIterator[OracleEngine]:
        link = await dial(read(oracle.connection()["url"]), oracle.admin, oracle.password, 10)
        await link.execute(FRESH)
        await link.close()
        made = OracleEngine("main", oracle.connection())
        await made.open()
        yield made
        await made.close()

    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return READER

    @pytest.fixture
    def broken(self, oracle: OracleDatabase) -> OracleEngine:
        url = f"oracle://127.0.0.1:{free_port()}/{oracle.service}"
        return OracleEngine("main", oracle.connection(url=url))

    async def test_an_open_session_ends_with_its_account(
        self, engine: OracleEngine, role: Mapping[str, Any], oracle: OracleDatabase
    ) -> None:
        account = self.account(engine, role)
        made = await self.issue(engine, account)
        password = made.credential["password"]
        assert isinstance(password, Secret)
        link = await dial(read(oracle.connection()["url"]), account.name, password.reveal(), 5)
        assert await link.execute("SELECT 1 FROM dual") == [(1,)]
        assert await engine.revoke(account) == REMOVED
        with pytest.raises((Lost, SqlError)):
            await link.execute("SELECT 1 FROM dual")
        await link.close()


class TestRoles(OnADatabase):
    async def test_a_static_user_gets_its_password(
        self, engine: OracleEngine, oracle: OracleDatabase
    ) -> None:
        link = await dial(read(oracle.connection()["url"]), oracle.admin, oracle.password, 10)
        await link.execute("CREATE USER lhtest_static IDENTIFIED BY Old1ofatest")
        try:
            await link.execute("GRANT CREATE SESSION TO lhtest_static")
            password = Secret("New1ofatest0123456789")
            for _ in range(2):
                await engine.rotate_static("lhtest_static", password)
            assert await engine.login({"username": "lhtest_static", "password": password})
        finally:
            await link.execute("DROP USER lhtest_static")
            await link.close()


class TestStatements(OnADatabase):
    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return {
            "creation_statements": (
                'CREATE USER {{name}} IDENTIFIED BY "{{password}}";'
                " GRANT CREATE SESSION TO {{name}}"
            )
        }
