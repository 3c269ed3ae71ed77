"""The engine on the fake of Oracle."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fakes.oracle import FakeDatabase
from leasehold.plugin import Account, Issued, Secret
from leasehold.plugin.contract import EngineContract
from leasehold_plugins.oracle import OracleEngine

READER = {"member_of": ["app_readonly"]}


def engine_for(database: FakeDatabase, **other: Any) -> OracleEngine:
    connection = {
        "url": "oracle://localhost/app_pdb",
        "username": "leasehold",
        "password": Secret("adm1n"),
        **other,
    }
    return OracleEngine("main", connection, database.dial)


@asynccontextmanager
async def opened(database: FakeDatabase, **other: Any) -> AsyncIterator[OracleEngine]:
    engine = engine_for(database, **other)
    try:
        await engine.open()
        yield engine
    finally:
        await engine.close()


async def issued(engine: OracleEngine, **options: Any) -> tuple[Account, Issued]:
    """An account of a role with these options, and its credential."""
    account = EngineContract.account(engine, options or READER)
    return account, await EngineContract.issue(engine, account)


def clear(issued: Issued) -> str:
    password = issued.credential["password"]
    assert isinstance(password, Secret)
    return password.reveal()
