"""Accounts made by a bare driver over one connection, as the daemon's engines make them.

The statements are those of the engines, one caller sends them. So how much slower a server itself
gets with the accounts that stand on it can be told from what the daemon adds.
"""

import secrets
import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from hashlib import sha256
from statistics import median

from bench.bare import creation
from leasehold.bundle import PasswordPolicy
from leasehold.plugin import make_password
from leasehold_plugins.mysql import recipes
from leasehold_plugins.mysql.session import Server
from leasehold_plugins.mysql.statements import Values
from leasehold_plugins.mysql.verifiers import NATIVE
from leasehold_plugins.postgresql.scram import verifier
from leasehold_plugins.redis import rules
from servers.mysql import MysqlServer
from servers.postgres import PostgresServer
from servers.redis import RedisServer

GROUP = {"member_of": ["app_readonly"]}
READER = {"commands": ["+@read"], "keys": ["app:*"]}
END = datetime(2099, 1, 1, tzinfo=UTC)


class BareAccounts(ABC):
    """A bare driver, connected."""

    def median_ms(self, count: int) -> float:
        """Make so many accounts, one after the other, and drop them again."""
        names = [f"bare_{secrets.token_hex(8)}" for _ in range(count)]
        spans = []
        for name in names:
            password = make_password(PasswordPolicy())
            began = time.perf_counter()
            self.make(name, password)
            spans.append(time.perf_counter() - began)
        self.drop(names)
        return median(spans) * 1000

    @abstractmethod
    def make(self, name: str, password: str) -> None:
        """Make one account."""

    @abstractmethod
    def drop(self, names: list[str]) -> None:
        """Take accounts away."""


class BarePostgres(BareAccounts):
    """Bare psycopg, with the verifier made here."""

    def __init__(self, server: PostgresServer) -> None:
        self._conn = server.connect()

    def make(self, name: str, password: str) -> None:
        self._conn.execute(creation(name, verifier(password)))  # type: ignore[call-overload]

    def drop(self, names: list[str]) -> None:
        self._conn.execute("DROP ROLE " + ", ".join(names))  # type: ignore[call-overload]


class BareMariadb(BareAccounts):
    """Bare PyMySQL."""

    def __init__(self, server: MysqlServer) -> None:
        self._cursor = server.connect().cursor()
        self._server = Server("10.11", is_mariadb=True)

    def make(self, name: str, password: str) -> None:
        values = Values(name=name, days="1", plugin=NATIVE, password=password)
        for statement in recipes.creation(GROUP, self._server, values, ""):
            self._cursor.execute(statement)

    def drop(self, names: list[str]) -> None:
        self._cursor.execute(recipes.drop([(name, recipes.ANYWHERE) for name in names]))


class BareRedis(BareAccounts):
    """Bare redis-py, which saves nothing."""

    def __init__(self, server: RedisServer) -> None:
        self._client = server.connect()

    def make(self, name: str, password: str) -> None:
        digest = sha256(password.encode()).hexdigest()
        self._client.execute_command(
            "ACL", "SETUSER", name, *rules.creation(READER, name, digest, END)
        )

    def drop(self, names: list[str]) -> None:
        self._client.execute_command("ACL", "DELUSER", *names)
