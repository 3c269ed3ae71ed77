"""The MongoDB engine keeps the contract on a server: FerretDB, or the one that is given.

FerretDB 1.24 has neither roles nor sessions; the relay before it says what those would.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from clients.toolchains import WAIT_S
from leasehold.plugin import Secret
from leasehold.plugin.contract import EngineContract
from leasehold_plugins.mongodb import MongodbEngine
from servers.mongodb import MongoServer
from servers.mongodb_engine import READER, engine_for, issue, opened, quiet
from servers.postgres import free_port

pytestmark = [pytest.mark.servers, pytest.mark.timeout(WAIT_S), *quiet]


def engine_on(server: MongoServer, **other: Any) -> MongodbEngine:
    given = {"url": server.url, "username": server.admin, "password": Secret(server.password)}
    return engine_for(**{**given, **other})


class TestServer(EngineContract):
    @pytest.fixture
    async def engine(self, mongodb: MongoServer) -> AsyncIterator[MongodbEngine]:
        async with opened(engine_on(mongodb)) as engine:
            yield engine

    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return READER

    @pytest.fixture
    def broken(self, mongodb: MongoServer) -> MongodbEngine:
        url = f"mongodb://127.0.0.1:{free_port()}/"
        return engine_on(mongodb, url=url, statement_timeout=1)

    async def test_any_client_logs_in_with_a_credential(
        self, engine: MongodbEngine, mongodb: MongoServer
    ) -> None:
        account = self.account(engine, READER)
        issued = await issue(engine, account)
        password = issued.credential["password"]
        assert isinstance(password, Secret)
        assert mongodb.can_log_in(account.name, password.reveal())
        await engine.revoke(account)
        assert not mongodb.can_log_in(account.name, password.reveal())

    async def test_the_mark_is_the_same_for_whoever_looks(
        self, engine: MongodbEngine, mongodb: MongoServer
    ) -> None:
        async with opened(engine_on(mongodb)) as other:
            assert other.target_id == engine.target_id != ""
