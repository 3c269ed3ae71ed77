"""The Oracle Database that `LEASEHOLD_TEST_ORACLE_URL` names, since none can be had by apt.

It is written `oracle://system:password@127.0.0.1:1521/FREEPDB1`; docs/engines/oracle.md shows how
to start one. The tests make the role `LHTEST_READONLY` in it and accounts whose names begin with
LHTEST; give them one that holds nothing of value.
"""

import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from leasehold.plugin import Secret

GIVEN = "LEASEHOLD_TEST_ORACLE_URL"
READER = {"member_of": ["lhtest_readonly"]}
FRESH = """
DECLARE
  stands EXCEPTION;
  PRAGMA EXCEPTION_INIT(stands, -1921);
BEGIN
  EXECUTE IMMEDIATE 'CREATE ROLE lhtest_readonly';
EXCEPTION WHEN stands THEN NULL;
END;
"""


@dataclass(frozen=True)
class OracleDatabase:
    """A pluggable database, and an administrator of it who may do everything."""

    port: int
    service: str
    admin: str
    password: str

    def connection(self, **other: Any) -> dict[str, Any]:
        url = f"oracle://127.0.0.1:{self.port}/{self.service}"
        return {"url": url, "username": self.admin, "password": Secret(self.password), **other}


@pytest.fixture(scope="session")
def oracle() -> OracleDatabase:
    if GIVEN not in os.environ:
        pytest.skip(f"no Oracle Database; {GIVEN} names one")
    parts = urlsplit(os.environ[GIVEN])
    return OracleDatabase(
        parts.port or 1521,
        parts.path.strip("/") or "FREEPDB1",
        unquote(parts.username or "system"),
        unquote(parts.password or ""),
    )
