"""The MongoDB engine keeps the contract on a fake server: alone, in a set, and by certificate."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fakes.mongod import Mongod, mongod, replica_set
from leasehold.plugin import Engine, EnginePermanent, ErrorClass
from leasehold.plugin.contract import EngineContract
from leasehold_plugins.mongodb import MongodbEngine
from servers.certificates import Authority
from servers.mongodb_engine import (
    BY_CERTIFICATE,
    READER,
    SEEDS,
    by_certificate,
    engine_for,
    opened,
    quiet,
)
from servers.postgres import free_port

pytestmark = quiet


class MongodbContract(EngineContract):
    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return READER

    @pytest.fixture
    def broken(self) -> MongodbEngine:
        return engine_for(url=f"mongodb://127.0.0.1:{free_port()}/", statement_timeout=1)


class TestOneServer(MongodbContract):
    @pytest.fixture
    async def engine(self) -> AsyncIterator[MongodbEngine]:
        with mongod() as server:
            async with opened(engine_for(server)) as engine:
                yield engine


class TestReplicaSet(MongodbContract):
    @pytest.fixture
    async def engine(self) -> AsyncIterator[MongodbEngine]:
        with replica_set() as members:
            async with opened(engine_for(*members)) as engine:
                yield engine


class TestSeeds(TestOneServer):
    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return SEEDS


class TestByCertificate(MongodbContract):
    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return BY_CERTIFICATE

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[Mongod]:
        with mongod(authority=Authority(tmp_path)) as server:
            yield server

    @pytest.fixture
    async def engine(self, server: Mongod) -> AsyncIterator[MongodbEngine]:
        async with opened(by_certificate(server)) as engine:
            yield engine

    async def test_a_renewed_credential_works(
        self, engine: Engine, role: Mapping[str, Any]
    ) -> None:
        """Not here: a certificate ends with its lease, and that is told before anything is done."""
        account = self.account(engine, role)
        issued = await self.issue(engine, account)
        with pytest.raises(EnginePermanent, match="cannot be renewed; ask for a new lease") as told:
            await engine.renew(account, datetime.now(UTC))
        assert told.value.error_class is ErrorClass.UNSUPPORTED
        assert await engine.login(issued.credential)
