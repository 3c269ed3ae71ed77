"""Connections to one PostgreSQL: a pool to make accounts, a smaller one to take them away.

So a revocation never waits behind callers who want accounts; one connection for it is there from
the start, so that they cannot take the last one that the server has either. Every connection knows
which server it leads to (rule W11), and one whose call failed or was cancelled is closed, not
reused (rule Q6).
"""

import select
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from leasehold.plugin import (
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    Secret,
    is_loopback,
    revealed,
)
from leasehold.plugin.dialling import Dialling
from leasehold.plugin.lanes import shares
from leasehold_plugins.postgresql.errors import translate
from leasehold_plugins.postgresql.iam import TokenPasswords
from leasehold_plugins.postgresql.sessions import Connection as Connection
from leasehold_plugins.postgresql.sessions import GivenUp, Session, which

CONNECT_S = 5
_VERIFIED = "verify-full"


class _Dialled(AsyncConnection[tuple[Any, ...]]):
    """A connection that is made when `dialling` lets it."""

    @classmethod
    async def connect(  # type: ignore[override]
        cls, conninfo: str = "", *, dialling: Dialling, **parameters: Any
    ) -> Connection:
        async with dialling.in_task():
            return await super().connect(conninfo, **parameters)


class Pools:
    """The two pools of one target. `parameters` are libpq's."""

    def __init__(self, connection: Mapping[str, Any], statement_timeout_s: float) -> None:
        self._connection = connection
        self._timeout_ms = int(statement_timeout_s * 1000)
        self._sizes = shares(connection)
        self._dialling = Dialling()
        self._pools: tuple[AsyncConnectionPool[Connection], ...] = ()
        self._sessions: WeakKeyDictionary[Connection, Session] = WeakKeyDictionary()
        self.given_up = GivenUp()
        self._tokens: TokenPasswords | None = None
        if (kind := connection.get("authentication", "password")) != "password":
            self._tokens = TokenPasswords(kind, connection.get("aws_region"))
        self.target = ""

    async def open(self) -> None:
        """Connect once to see that it works, then keep pools. Raises EngineError."""
        # The pool would hide why it cannot connect; a connection of our own tells.
        async with self.fresh():
            pass
        self._pools = tuple(
            AsyncConnectionPool(
                connection_class=_Dialled,
                kwargs=self._dialled,
                min_size=kept,
                max_size=size,
                timeout=CONNECT_S,
                reconnect_timeout=0,
                configure=self._learn_session,
                check=_still_open,
                open=False,
                name=f"leasehold {lane}",
            )
            for lane, size, kept in zip(("issuing", "revoking"), self._sizes, (0, 1), strict=True)
        )
        issuing, revoking = self._pools
        await issuing.open()
        try:
            # Before anybody can issue: the last connection that the server has left is for this.
            await revoking.open(wait=True, timeout=CONNECT_S)
        except PoolTimeout as error:
            await self._close_pools()
            raise EngineTemporary("PostgreSQL cannot be reached") from error

    async def close(self) -> None:
        """Close every connection."""
        await self._close_pools()
        if self._tokens is not None:
            self._tokens.close()

    async def _close_pools(self) -> None:
        for pool in self._pools:
            await pool.close(timeout=1)
        self._pools = ()

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[Connection]:
        """A connection of its own: it meets the server, and the login, as they are now."""
        try:
            conn = await _Dialled.connect(**await self._dialled())
        except psycopg.Error as error:
            raise self._cannot_connect(error) from error
        async with conn:
            try:
                await self._learn_session(conn)
                yield conn
            except psycopg.Error as error:
                raise translate(error, sent=False) from error

    @asynccontextmanager
    async def issuing(self) -> AsyncIterator[Connection]:
        """A connection of the issuing pool; driver errors become EngineError."""
        async with self._borrow(0) as conn:
            yield conn

    @asynccontextmanager
    async def revoking(self) -> AsyncIterator[Connection]:
        """A connection of the revoking pool; driver errors become EngineError."""
        async with self._borrow(1) as conn:
            yield conn

    @asynccontextmanager
    async def elsewhere(self, database: str) -> AsyncIterator[Connection]:
        """A short connection to another database of the same server."""
        parameters = {**await self._administrator(), "dbname": database}
        try:
            async with await AsyncConnection.connect(**parameters) as conn:
                yield conn
        except psycopg.Error as error:
            raise translate(error, sent=True) from error

    @property
    def username(self) -> str:
        """Whom we log in as."""
        return revealed(self._connection["username"])

    def target_of(self, conn: Connection) -> str:
        """The identity of the server that `conn` leads to."""
        return self._sessions[conn].target

    @asynccontextmanager
    async def _borrow(self, lane: int) -> AsyncIterator[Connection]:
        sent = False
        if not self._pools:
            raise EngineTemporary("the engine is closing")
        try:
            async with self._pools[lane].connection() as conn:
                sent = True
                try:
                    yield conn
                except BaseException:
                    # After a lost, late or cancelled answer its state is unknown.
                    if not _is_idle(conn):
                        self.given_up.add(self._sessions[conn])
                        await conn.close()
                    raise
        except PoolClosed as error:
            raise EngineTemporary("the engine is closing") from error
        except psycopg.Error as error:
            raise translate(error, sent=sent) from error

    async def _dialled(self) -> dict[str, Any]:
        """What a connection to the database of the `url` is made with. Raises EngineError."""
        return {**await self._administrator(), "dialling": self._dialling}

    async def _administrator(self) -> dict[str, Any]:
        """What libpq is given to log in as the administrator. Raises EngineError."""
        parameters = {**self.place(), "user": self.username}
        if self._tokens is not None:
            parameters["password"] = (await self.token(self._tokens, parameters["user"])).reveal()
        elif "password" in self._connection:
            parameters["password"] = revealed(self._connection["password"])
        return {**parameters, "autocommit": True}

    async def token(self, tokens: TokenPasswords, user: str) -> Secret:
        """A token of a cloud that opens this server as `user`. Raises EngineError."""
        place = self.place()
        host = str(place.get("host", ""))
        if not host or "," in host or host.startswith(("/", "@")):
            raise EnginePermanent(
                "connection.url names no single host, but a token is made for one",
                error_class=ErrorClass.INVALID,
            )
        return await tokens.make(host, int(place.get("port", 5432)), user)

    def place(self) -> dict[str, Any]:
        """Where libpq is to go. Raises EnginePermanent for a url that is not safe (rule S6)."""
        try:
            parameters = conninfo_to_dict(revealed(self._connection["url"]))
        except psycopg.Error as error:
            raise EnginePermanent(
                "connection.url is not a PostgreSQL URL; write postgresql://host:5432/database",
                error_class=ErrorClass.INVALID,
            ) from error
        host = str(parameters.get("hostaddr") or parameters.get("host") or "/")
        if not all(part.startswith(("/", "@")) or is_loopback(part) for part in host.split(",")):
            mode = parameters.setdefault("sslmode", _VERIFIED)
            if mode != _VERIFIED:
                raise EnginePermanent(
                    f"connection.url says sslmode={mode}, but only {_VERIFIED} keeps the"
                    " administrator's password safe on the way to another host",
                    error_class=ErrorClass.INVALID,
                )
            parameters.setdefault("sslrootcert", "system")
        return {
            "connect_timeout": CONNECT_S,
            "application_name": "leasehold",
            **parameters,
            "options": f"-c statement_timeout={self._timeout_ms}"
            f" -c lock_timeout={self._timeout_ms} -c synchronous_commit=on"
            " -c search_path=pg_catalog -c standard_conforming_strings=on",
        }

    def _cannot_connect(self, error: psycopg.Error) -> EnginePermanent | EngineTemporary:
        # libpq gives no SQLSTATE here; a server that names our user in its FATAL refuses the login.
        text = str(error)
        if "FATAL" in text and self.username in text:
            return EnginePermanent(
                "PostgreSQL refuses the administrator's login; look at username and password",
                error_class=ErrorClass.DENIED,
            )
        return EngineTemporary("PostgreSQL cannot be reached")

    async def _learn_session(self, conn: Connection) -> None:
        self._sessions[conn] = session = await which(conn)
        self.target = session.target


async def _still_open(conn: Connection) -> None:
    """Refuse a connection that the server closed while it was idle, without a round trip."""
    poll = select.poll()  # select(2) takes no descriptor from 1024 on
    poll.register(conn.fileno(), select.POLLIN)
    if poll.poll(0):
        await conn.close()  # so that the pool lets go of it
        raise psycopg.OperationalError("the server closed the connection")


def is_superuser(conn: Connection) -> bool:
    """Whether the administrator may do everything."""
    return conn.info.parameter_status("is_superuser") == "on"


def _is_idle(conn: Connection) -> bool:
    return conn.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
