"""The engine contract for each kind of account, on a given cluster or a fake."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from leasehold.plugin.contract import REMOVED, EngineContract
from leasehold_plugins.elasticsearch import ElasticsearchEngine
from servers.elasticsearch import KEY, OWN_ROLE, USER, SearchServer, engine_for, opened
from servers.postgres import free_port

make = EngineContract.issue
account_for = EngineContract.account


class TestUsers(EngineContract):
    @pytest.fixture
    async def engine(self, search: SearchServer) -> AsyncIterator[ElasticsearchEngine]:
        async with opened(search) as engine:
            yield engine

    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return USER

    @pytest.fixture
    def broken(self, search: SearchServer) -> ElasticsearchEngine:
        return engine_for(search, url=f"http://127.0.0.1:{free_port()}")


class TestUsersWithARoleOfTheirOwn(TestUsers):
    @pytest.fixture
    def role(self, search: SearchServer) -> Mapping[str, Any]:
        found: Mapping[str, Any] = OWN_ROLE[search.flavour]
        return found

    async def test_the_role_goes_with_its_user(
        self, engine: ElasticsearchEngine, search: SearchServer, role: Mapping[str, Any]
    ) -> None:
        accounts = [account_for(engine, role) for _ in range(3)]
        for account in accounts:
            await make(engine, account)
        names = {account.name for account in accounts}
        assert names <= search.accounts()
        assert await engine.revoke(accounts[0]) == REMOVED
        assert await engine.revoke_many(accounts[1:]) == [REMOVED] * 2
        assert not names & search.accounts()


class TestApiKeys(TestUsers):
    @pytest.fixture
    async def engine(self, elastic: SearchServer) -> AsyncIterator[ElasticsearchEngine]:
        async with opened(elastic) as engine:
            yield engine

    @pytest.fixture
    def search(self, elastic: SearchServer) -> SearchServer:
        return elastic

    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return KEY
