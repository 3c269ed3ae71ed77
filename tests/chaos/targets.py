"""The accounts at each target, read with an administrator's connection of our own."""

from collections.abc import Callable, Mapping
from typing import Protocol

from servers.mysql import MysqlServer
from servers.postgres import PostgresServer
from servers.redis import RedisServer

PREFIX = "lh"


class Target(Protocol):
    """One engine's target, as a census sees it."""

    def accounts(self) -> Mapping[str, bool]:
        """Each account with our prefix, and whether it may log in."""

    def opens(self, user: str, password: str) -> bool:
        """Whether a login goes through."""


class Postgres:
    """Roles of a PostgreSQL."""

    def __init__(self, server: PostgresServer) -> None:
        self.opens: Callable[[str, str], bool] = server.can_log_in
        self._server = server

    def accounts(self) -> Mapping[str, bool]:
        rows = self._server.execute(
            "SELECT rolname, rolcanlogin AND coalesce(rolvaliduntil > now(), true) FROM pg_roles"
            f" WHERE rolname LIKE '{PREFIX}%'",
            "postgres",
        )
        return {str(name): bool(may) for name, may in rows}


class Mysql:
    """Users of a MariaDB."""

    def __init__(self, server: MysqlServer) -> None:
        self.opens: Callable[[str, str], bool] = server.can_log_in
        self._server = server

    def accounts(self) -> Mapping[str, bool]:
        rows = self._server.execute(
            "SELECT user, coalesce(json_value(priv, '$.account_locked'), 0) FROM mysql.global_priv"
            f" WHERE user LIKE '{PREFIX}%'"
        )
        return {str(name): str(locked) in ("0", "false") for name, locked in rows}


class Redis:
    """ACL users of a Redis."""

    def __init__(self, server: RedisServer) -> None:
        self.opens: Callable[[str, str], bool] = server.can_log_in
        self._server = server

    def accounts(self) -> Mapping[str, bool]:
        words = [line.split() for line in self._server.ask("ACL", "LIST")]
        return {name: state == "on" for _, name, state, *_ in words if _is_ours(name)}


def _is_ours(name: str) -> bool:
    return name.startswith(f"{PREFIX}") and "_" in name
