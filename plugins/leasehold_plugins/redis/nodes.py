"""One Redis server: connections to make accounts, others to take them away, and one that saves.

So a revocation never waits behind callers who want accounts. Each connection knows the mark that
its server bore when it was made (rule W11); one whose call failed or was cancelled is closed, not
reused (rule Q6).
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any
from weakref import WeakKeyDictionary

from redis.asyncio.connection import (
    AbstractConnection,
    BlockingConnectionPool,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.exceptions import RedisError, ResponseError

from leasehold_plugins.redis import marks
from leasehold_plugins.redis.addresses import Address
from leasehold_plugins.redis.errors import Unsaved, is_refused_login, refused, translate
from leasehold_plugins.redis.saves import Saves

CONNECT_S = 2.0
Command = tuple[str, ...]


class Lane(StrEnum):
    """What a connection is for."""

    ISSUING = "issuing"
    REVOKING = "revoking"
    SAVING = "saving"


class TlsConnection(SSLConnection):
    """The driver's, with one context for all connections; it reads the authorities only once."""

    def __init__(self, *, tls: Any, **other: Any) -> None:
        super().__init__(**other)
        self.ssl_context.context = tls


class Session:
    """A connection to the server at `where`, while somebody uses it."""

    def __init__(self, conn: AbstractConnection, where: str, mark: str = "") -> None:
        self.where = where
        self._conn = conn
        self.mark = mark

    async def run(self, *commands: Command) -> list[Any]:
        """Send commands in one go; their replies in order, refusals among them as values."""
        try:
            await self._conn.send_packed_command(self._conn.pack_commands(commands))
            return [await self._reply() for _ in commands]
        except BaseException:
            # Replies may still come, and would be taken for those of the next command.
            await self._conn.disconnect(nowait=True)
            raise

    async def ask(self, *command: str) -> Any:
        """The reply to one command. Raises EngineError for a refusal."""
        [reply] = await self.run(command)
        if isinstance(reply, ResponseError):
            raise refused(reply, command, self.where)
        return reply

    async def _reply(self) -> Any:
        try:
            return await self._conn.read_response()
        except ResponseError as error:
            return error


class Node:
    """One server. `saves` covers changes of its accounts; `has_file` says whether it can."""

    def __init__(
        self, address: Address, how: Mapping[str, Any], sizes: Mapping[Lane, int], timeout_s: float
    ) -> None:
        self.address = address
        self.has_file = True
        self.saves = Saves(self._save)
        self._kind, self._parameters = _driver(address, how, timeout_s)
        self._marks: WeakKeyDictionary[AbstractConnection, str] = WeakKeyDictionary()
        self._pools = {
            lane: BlockingConnectionPool(
                max_connections=size,
                timeout=CONNECT_S,
                connection_class=self._kind,
                redis_connect_func=self._greet,
                **self._parameters,
            )
            for lane, size in sizes.items()
        }

    def __str__(self) -> str:
        return str(self.address)

    async def close(self) -> None:
        """Save what is not saved yet, and close every connection."""
        await self.saves.close()
        for pool in self._pools.values():
            await pool.aclose()

    @asynccontextmanager
    async def session(self, lane: Lane) -> AsyncIterator[Session]:
        """A connection of a lane; driver errors become EngineError."""
        try:
            conn = await self._pools[lane].get_connection()  # type: ignore[no-untyped-call]
        except RedisError as error:
            raise translate(error, str(self), sent=False) from error
        try:
            yield Session(conn, str(self), self._marks.get(conn, ""))
        except RedisError as error:
            raise translate(error, str(self)) from error
        finally:
            await self._pools[lane].release(conn)

    async def bears(self, session: Session, mark: str) -> bool:
        """Whether this is a server of the set with that mark; one may have got it meanwhile."""
        if session.mark != mark:
            session.mark = await marks.read(session)
        return session.mark == mark

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[Session]:
        """A connection of its own: it meets the server, and the login, as they are now."""
        conn = self._kind(**self._parameters)
        try:
            try:
                await conn.connect()  # type: ignore[no-untyped-call]
            except RedisError as error:
                raise translate(error, str(self), sent=False) from error
            try:
                yield Session(conn, str(self))
            except RedisError as error:
                raise translate(error, str(self)) from error
        finally:
            await conn.disconnect(nowait=True)

    async def opens(self, user: str, password: str) -> bool:
        """Whether the server lets them in. Raises EngineError when it does not answer."""
        conn = self._kind(**{**self._parameters, "username": user, "password": password})
        try:
            await conn.connect()  # type: ignore[no-untyped-call]
        except RedisError as error:
            if is_refused_login(error):
                return False
            raise translate(error, str(self), sent=False) from error
        finally:
            await conn.disconnect(nowait=True)
        return True

    async def _greet(self, conn: AbstractConnection) -> None:
        """Log in, and learn which server it is."""
        try:
            await conn.on_connect()
            self._marks[conn] = await marks.read(Session(conn, str(self)))
        except BaseException:
            # The driver would put a connection back whose login is under way.
            await conn.disconnect(nowait=True)
            raise

    async def _save(self) -> None:
        if not self.has_file:
            return
        async with self.session(Lane.SAVING) as session:
            [reply] = await session.run(("ACL", "SAVE"))
        if isinstance(reply, ResponseError):
            raise Unsaved(
                f"ACL SAVE failed at {self}, so a restart would undo the change; look at its log,"
                " and whether it may write the folder of its aclfile"
            ) from reply


def _driver(
    address: Address, how: Mapping[str, Any], timeout_s: float
) -> tuple[type[AbstractConnection], dict[str, Any]]:
    """The driver's class of connection, and what to make one with."""
    parameters: dict[str, Any] = {
        "username": how["username"],
        "password": how["password"],
        "protocol": 2,
        "decode_responses": True,
        "encoding_errors": "backslashreplace",
        "driver_info": None,  # would ask the server for one more right
        "socket_timeout": timeout_s,
        "socket_connect_timeout": CONNECT_S,
    }
    if address.path:
        return UnixDomainSocketConnection, {**parameters, "path": address.path}
    parameters |= {"host": address.host, "port": address.port}
    if address.tls:
        return TlsConnection, {**parameters, "tls": how["tls"]}
    return Connection, parameters
