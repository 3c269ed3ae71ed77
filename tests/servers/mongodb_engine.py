"""Engines on the MongoDB of the tests, or on a fake one."""

import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fakes.mongod import ADMIN, PASSWORD, Mongod
from leasehold.plugin import Account, Issued, Secret
from leasehold.plugin.contract import EngineContract
from leasehold_plugins.mongodb import MongodbEngine

quiet = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.usefixtures("garbage_collected"),
]
"""A client of the driver that is closed while it connects leaves the socket to the garbage
collector, which is then to come before the next test."""
READER = {"roles": [{"role": "read", "db": "app"}]}
BY_CERTIFICATE = {**READER, "authentication": "x509"}
SEEDS = {"creation_statements": '{"db": "mydb", "roles": [{"role": "readWrite"}]}'}


@pytest.fixture
def garbage_collected() -> Iterator[None]:
    yield
    gc.collect()


def engine_for(*servers: Mongod, **other: Any) -> MongodbEngine:
    connection: dict[str, Any] = {
        "url": f"mongodb://{','.join(server.address for server in servers)}/",
        "username": ADMIN,
        "password": Secret(PASSWORD),
        "statement_timeout": 3,
        **other,
    }
    return MongodbEngine("main", connection)


def by_certificate(server: Mongod, **other: Any) -> MongodbEngine:
    """An engine that trusts the authority of a server with TLS, and signs with it."""
    authority = server.authority
    assert authority is not None
    key = authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    options = {
        "url": f"mongodb://{server.address}/?tlsCAFile={authority.file}",
        "x509_ca": str(authority.file),
        "x509_ca_key": Secret(key.decode()),
        "x509_subject": "OU=leasehold,O=Example",
    }
    return engine_for(server, **{**options, **other})


@asynccontextmanager
async def opened(engine: MongodbEngine) -> AsyncIterator[MongodbEngine]:
    try:
        await engine.open()
        yield engine
    finally:
        await engine.close()


def account_for(engine: MongodbEngine, role: Any = None) -> Account:
    return EngineContract.account(engine, role or READER)


async def issue(engine: MongodbEngine, account: Account) -> Issued:
    return await EngineContract.issue(engine, account)


def clear(issued: Issued, key: str = "password") -> str:
    secret = issued.credential[key]
    assert isinstance(secret, Secret)
    return secret.reveal()
