"""Engines on the MySQL of the tests, with all rights or only some."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from leasehold.plugin import Account, Issued, Secret
from leasehold.plugin.contract import EngineContract
from leasehold_plugins.mysql import MysqlEngine
from servers.mysql import MysqlServer

READER = {"member_of": ["app_readonly"]}
WRITER = {"member_of": ["app_writer"]}
SEEDS = {
    "creation_statements": """
        CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}';
        GRANT SELECT ON app.* TO '{{name}}'@'%';
    """,
    "revocation_statements": ["DROP USER IF EXISTS '{{name}}'@'%'"],
}


def engine_for(server: MysqlServer, **other: Any) -> MysqlEngine:
    connection = {
        "url": server.url,
        "username": server.admin,
        "password": Secret(server.password),
        "statement_timeout": 5,
        **other,
    }
    return MysqlEngine("main", connection)


@asynccontextmanager
async def opened(server: MysqlServer, **other: Any) -> AsyncIterator[MysqlEngine]:
    engine = engine_for(server, **other)
    try:
        await engine.open()
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def weak(server: MysqlServer, name: str, *grants: str) -> AsyncIterator[MysqlEngine]:
    """An engine whose administrator has these rights and no others."""
    who = f"{name}@'%'"
    server.execute(
        f"DROP USER IF EXISTS {who}",
        f"CREATE USER {who} IDENTIFIED BY 'weak'",
        *(f"{grant} TO {who}" for grant in grants),
    )
    url = f"mysql://127.0.0.1:{server.port}"
    async with opened(server, url=url, username=name, password=Secret("weak")) as engine:
        yield engine


def account_for(engine: MysqlEngine, role: Mapping[str, Any] = READER) -> Account:
    return EngineContract.account(engine, role)


async def issue(engine: MysqlEngine, account: Account) -> Issued:
    return await EngineContract.issue(engine, account)


def clear(issued: Issued) -> str:
    password = issued.credential["password"]
    assert isinstance(password, Secret)
    return password.reveal()
