"""One connection to a server: in a known mode, with the server's identity, and able to be cut off.

The mode is set by us, so that a quote means the same on every server (rule S2): backslashes escape,
`"` quotes a text, dates are UTC. PyMySQL is synchronous; a session belongs to one thread at a time,
and `abort` is the one call that another thread may make.
"""

import contextlib
import select
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pymysql
from pymysql.constants import SERVER_STATUS

from leasehold.plugin import EnginePermanent, ErrorClass
from leasehold_plugins.mysql.connecting import address_of, administrator, close, connect
from leasehold_plugins.mysql.errors import is_lost, refuses_login, translate
from leasehold_plugins.mysql.given_up import GivenUp, Place, place

_MODE = "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION"

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Server:
    """What answers: MariaDB or MySQL, and its version as it writes it."""

    version: str
    is_mariadb: bool

    @classmethod
    def named(cls, version: str) -> "Server":
        """The server that calls itself `version`, as in `10.11.19-MariaDB-0+deb12u1`."""
        return cls(version.partition("-")[0], "mariadb" in version.lower())

    @property
    def numbers(self) -> tuple[int, ...]:
        """The version, to compare."""
        return tuple(int(part) for part in self.version.split(".") if part.isdigit())

    def __str__(self) -> str:
        return f"{'MariaDB' if self.is_mariadb else 'MySQL'} {self.version}"


class Session:
    """An open connection. Raises EngineError when it cannot be made, the driver's errors after."""

    def __init__(
        self, connection: Mapping[str, Any], statement_timeout_s: float, given_up: GivenUp
    ) -> None:
        self._connection = connection
        self._given_up = given_up
        self._place: Place | None = None
        self._limit_s = max(1, int(statement_timeout_s))
        try:
            self._conn, self._handle = connect(
                address_of(connection), *administrator(connection), self._limit_s
            )
        except pymysql.MySQLError as error:
            if refuses_login(error):
                raise EnginePermanent(
                    "MySQL refuses the administrator's login; look at username and password",
                    error_class=ErrorClass.DENIED,
                ) from error
            raise translate(error) from error
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        try:
            [(version, now)] = self.execute("SELECT VERSION(), UNIX_TIMESTAMP()")
            self._clock = float(now) - time.monotonic()
            self.server = Server.named(version)
            limits = f"lock_wait_timeout = {self._limit_s}"
            limits += f", innodb_lock_wait_timeout = {self._limit_s}"
            if self.server.is_mariadb:
                limits += f", max_statement_time = {self._limit_s}"
            self.execute(f"SET SESSION sql_mode = '{_MODE}', time_zone = '+00:00', {limits}")
            if self._conn.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES:
                raise EnginePermanent(
                    "MySQL keeps NO_BACKSLASH_ESCAPES although the session set another sql_mode",
                    error_class=ErrorClass.UNSUPPORTED,
                )
            self.target = f"mysql:{self._identity()}"
            self._place = place(self.execute)
            self.sees_sessions = self.may("SELECT 1 FROM information_schema.innodb_trx LIMIT 1")
        except pymysql.MySQLError as error:
            raise translate(error) from error

    def _identity(self) -> str:
        if cluster := self._connection.get("cluster"):
            return f"cluster:{cluster}"
        variable = "server_uid" if self.server.is_mariadb else "server_uuid"
        try:
            [(found,)] = self.execute(f"SELECT @@global.{variable}")
        except pymysql.MySQLError as error:
            if is_lost(error):
                raise
            raise EnginePermanent(
                f"{self.server} does not say who it is (@@{variable}); run a newer one, or name it"
                " yourself with connection.cluster",
                error_class=ErrorClass.UNSUPPORTED,
            ) from error
        return str(found)

    def may(self, query: str) -> bool:
        """Whether the query is allowed to us."""
        # Rights for the whole server are read once a connection, so the answer stays true.
        try:
            self.execute(query)
        except pymysql.MySQLError as error:
            if is_lost(error):
                raise
            return False
        return True

    def execute(self, statement: str, values: object = None) -> list[Row]:
        """Run one statement and return its rows."""
        try:
            with self._conn.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall())
        except pymysql.MySQLError as error:
            if is_lost(error) and self._place is not None:
                self._given_up.add(self._place)
            raise

    def end_given_up(self) -> None:
        """Kill sessions of ours here whose call was given up. Raises the driver's errors."""
        if self._place is not None:
            self._given_up.end(self.execute, self._place)

    def days_until(self, moment: datetime, since: float | None = None) -> int:
        """Whole days, rounded up, from now (or `since`, in seconds) by the server's clock."""
        began = time.monotonic() + self._clock if since is None else since
        return min(max(1, -int((began - moment.timestamp()) // 86_400)), 65_535)

    def is_alive(self) -> bool:
        """Whether the server left the idle connection open, told without a round trip."""
        poll = select.poll()  # select(2) takes no descriptor from 1024 on
        poll.register(self._handle, select.POLLIN)
        return not poll.poll(0)

    def is_open(self) -> bool:
        """Whether the connection outlived its last statement."""
        return bool(self._conn.open)

    def abort(self) -> None:
        """Cut the connection off, so that a thread that waits for it goes on at once."""
        with contextlib.suppress(OSError):
            self._handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection, quietly."""
        close(self._conn, self._handle)
