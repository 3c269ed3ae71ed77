"""The SQL Server that `LEASEHOLD_TEST_MSSQL_URL` names, since none can be had by apt.

It is written `mssql://sa:password@127.0.0.1:1433`; docs/engines/mssql.md shows how to start one.
The tests make the databases `lhtest_app` and `lhtest_closed` in it, the latter contained, switch
contained logins on, and make accounts whose names begin with lhtest; give them one that holds
nothing of value.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from leasehold.plugin import Secret
from leasehold_plugins.mssql.address import read
from leasehold_plugins.mssql.tds import dial

GIVEN = "LEASEHOLD_TEST_MSSQL_URL"
READER = {"member_of": ["app_readonly"]}
FRESH = [
    "EXEC sp_configure 'contained database authentication', 1; RECONFIGURE",
    "IF DB_ID(N'lhtest_app') IS NULL CREATE DATABASE lhtest_app",
    "IF DB_ID(N'lhtest_closed') IS NULL CREATE DATABASE lhtest_closed CONTAINMENT = PARTIAL",
    *(
        f"USE {name}; IF DATABASE_PRINCIPAL_ID(N'app_readonly') IS NULL CREATE ROLE app_readonly;"
        " GRANT SELECT TO app_readonly; USE master"
        for name in ("lhtest_app", "lhtest_closed")
    ),
]


@dataclass(frozen=True)
class MssqlServer:
    """A server, and an administrator of it who may do everything."""

    port: int
    admin: str
    password: str

    def connection(self, database: str, **other: Any) -> dict[str, Any]:
        url = f"mssql://127.0.0.1:{self.port}/{database}"
        return {"url": url, "username": self.admin, "password": Secret(self.password), **other}

    def execute(self, *statements: str) -> Sequence[tuple[Any, ...]]:
        where = read(f"mssql://127.0.0.1:{self.port}")
        link = dial(where, self.admin, self.password, None, 30)
        rows: Sequence[tuple[Any, ...]] = ()
        for statement in statements:
            rows = link.execute(statement)
        link.close()
        return rows


@pytest.fixture(scope="session")
def mssql() -> MssqlServer:
    if GIVEN not in os.environ:
        pytest.skip(f"no SQL Server; {GIVEN} names one")
    parts = urlsplit(os.environ[GIVEN])
    server = MssqlServer(
        parts.port or 1433, unquote(parts.username or "sa"), unquote(parts.password or "")
    )
    server.execute(*FRESH)
    return server
