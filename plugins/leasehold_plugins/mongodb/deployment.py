"""The servers behind one connection: clients for issuing and for revoking, and commands to them.

A command is repeated while the primary steps down, within the time that one command may take. The
driver repeats none of those that make accounts.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pymongo
from pymongo import AsyncMongoClient
from pymongo.errors import (
    AutoReconnect,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
)
from pymongo.server_description import ServerDescription

from leasehold.plugin import (
    EngineError,
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    Secret,
    revealed,
)
from leasehold.plugin.lanes import shares
from leasehold_plugins.mongodb import address, marks, topology
from leasehold_plugins.mongodb.errors import (
    STEPPED_DOWN,
    USER_EXISTS,
    USER_NOT_FOUND,
    is_about_tls,
    refused,
    translate,
)
from leasehold_plugins.mongodb.recipes import ADMIN

Client = AsyncMongoClient[dict[str, Any]]
Command = Mapping[str, Any]

CONNECT_S = 4.0
_PAUSE_S = 0.1


class Deployment:
    """One server, replica set or sharded cluster."""

    def __init__(self, connection: Mapping[str, Any], limit_s: float) -> None:
        self.target = ""
        self._connection = connection
        self._limit_s = limit_s
        issuing, revoking = shares(connection)
        self._sizes = {"issuing": issuing, "revoking": revoking}
        self._clients: dict[str, Client] = {}
        self._members: dict[tuple[str, int | None], Client] = {}

    @property
    def write_concern(self) -> dict[str, Any]:
        """Accounts are made and gone when a majority of the replica set has it in its journal."""
        return {"w": "majority", "wtimeout": int(self._limit_s * 1000)}

    @property
    def source(self) -> str:
        """The database that the administrator's password stands in. Raises EnginePermanent."""
        return str(self.options().get("authSource", ADMIN))

    def known(self) -> dict[str, Any]:
        """The driver's options for the administrator. Raises EnginePermanent."""
        made = self.options()
        if "username" in self._connection:
            password = self._connection.get("password", Secret(""))
            made |= {"username": self._connection["username"], "password": password.reveal()}
        elif "tlsCertificateKeyFile" in made:
            made |= {"authMechanism": "MONGODB-X509", "authSource": "$external"}
        else:
            raise EnginePermanent(
                "connection has no username; write username and password, or name a certificate"
                " with tlsCertificateKeyFile in connection.url",
                error_class=ErrorClass.INVALID,
            )
        return made

    def options(self) -> dict[str, Any]:
        """The driver's options for anybody."""
        return {
            **address.options(revealed(self._connection["url"])),
            "appname": "leasehold",
            "connectTimeoutMS": int(CONNECT_S * 1000),
            "serverSelectionTimeoutMS": int(self._limit_s * 1000),
            "retryReads": False,
            "tz_aware": True,
        }

    async def open(self) -> None:
        """Connect once, and know the deployment by its mark. Raises EngineError."""
        self.target = await self.mark(self._client("revoking"))

    async def close(self) -> None:
        """Close every connection."""
        clients = [*self._clients.values(), *self._members.values()]
        self._clients, self._members = {}, {}
        for client in clients:
            await client.close()

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[Client]:
        """A client of its own, which logs in anew and reads the files for TLS again."""
        client: Client = client_for(self.known(), maxPoolSize=1)
        try:
            yield client
        finally:
            await client.close()

    def _client(self, lane: str) -> Client:
        if lane not in self._clients:
            self._clients[lane] = client_for(self.known(), maxPoolSize=self._sizes[lane])
        return self._clients[lane]

    async def ask(
        self,
        command: Command,
        db: str = ADMIN,
        *,
        lane: str,
        done: Collection[int] = (),
        done_if_repeated: Collection[int] = (),
    ) -> dict[str, Any]:
        """The reply to one command, in one of the lanes `issuing` and `revoking`; see `run`."""
        return await self.run(
            self._client(lane), command, db, done=done, done_if_repeated=done_if_repeated
        )

    async def run(
        self,
        client: Client,
        command: Command,
        db: str = ADMIN,
        *,
        done: Collection[int] = (),
        done_if_repeated: Collection[int] = (),
    ) -> dict[str, Any]:
        """The reply to one command, repeated while the primary steps down. Raises EngineError.

        The numbers in `done` say that there is nothing to do, which is answered with an empty
        reply; those in `done_if_repeated` say so only after an attempt that may have done it.
        """
        name = next(iter(command))
        fine = set(done)
        try:
            with pymongo.timeout(self._limit_s):
                while True:
                    try:
                        reply = await client[db].command(dict(command))
                        unconfirmed = reply.get("writeConcernError", {}).get("code")
                        if unconfirmed is None:
                            return reply
                        if unconfirmed not in STEPPED_DOWN:
                            raise refused(unconfirmed, name)
                    except (NotPrimaryError, AutoReconnect) as error:
                        if isinstance(error, ServerSelectionTimeoutError) or error.timeout:
                            raise
                    fine |= set(done_if_repeated)
                    await asyncio.sleep(_PAUSE_S)
        except OperationFailure as error:
            if error.code in fine:
                return {}
            raise translate(error, name) from error
        except WaitQueueTimeoutError as error:
            raise translate(error, name) from error
        except PyMongoError as error:
            raise self._away(client, error, name) from error

    def _away(self, client: Client, error: PyMongoError, name: str) -> EngineError:
        if isinstance(error, ServerSelectionTimeoutError):
            servers = client.topology_description.server_descriptions().values()
            if any(is_about_tls(server.error) for server in servers):
                return EngineTemporary(
                    "MongoDB cannot be trusted or speaks no TLS; look at tlsCAFile in"
                    " connection.url, and at the names in the server's certificate"
                )
            if client.options.server_selector is not None and not all(
                address.is_here(server.address) for server in servers
            ):
                return EngineTemporary(
                    "the primary is on another host, where nothing is sent without TLS; add"
                    " tls=true to connection.url"
                )
        return translate(error, name)

    async def mark(self, client: Client) -> str:
        """The identity of the deployment behind `client`; it is given one if it has none."""
        for _ in range(2):
            if found := marks.found_in(await self.run(client, marks.LOOK)):
                return found
            made = {**marks.creation(), "writeConcern": self.write_concern}
            await self.run(client, made, done=(USER_EXISTS,))
        raise EngineTemporary(f"the account {marks.MARK} was made and is not there")

    async def settle(self, *, lane: str) -> None:
        """Wait until a majority has everything that the primary has done. Raises EngineError.

        A write that a majority confirms stands behind all that were made before it. For what was
        found done, of which nobody knows whether it was confirmed.
        """
        command = {**marks.touch(), "writeConcern": self.write_concern}
        await self.ask(command, lane=lane, done=(USER_NOT_FOUND,))

    async def mark_now(self) -> str:
        """The identity of the deployment that the lane `issuing` leads to; empty without a mark."""
        return marks.found_in(await self.ask(marks.LOOK, lane="issuing"))

    def servers(self, client: Client | None = None) -> list[ServerDescription]:
        """The servers that the driver knows, whether they answer or not."""
        client = client or self._client("revoking")
        return list(client.topology_description.server_descriptions().values())

    async def members(self) -> list[Client]:
        """A client for each server that has accounts and answers."""
        for gone in self._members.keys() - {server.address for server in self.servers()}:
            await self._members.pop(gone).close()
        servers = topology.with_data(self.servers())
        if len(servers) < 2:
            return [self._client("revoking")]
        known = self.known()
        for server in servers:
            if server.address not in self._members:
                own = address.member(known, server.address)
                self._members[server.address] = client_for(own, maxPoolSize=1)
        return [self._members[server.address] for server in servers]


def client_for(options: Mapping[str, Any], **other: Any) -> Client:
    """A client that has not connected yet; files are read now. Raises EnginePermanent."""
    try:
        return AsyncMongoClient(**options, **other)
    except (PyMongoError, OSError, ValueError) as error:
        raise EnginePermanent(
            f"connection.url cannot be used ({type(error).__name__}); look at its names, options"
            " and files",
            error_class=ErrorClass.INVALID,
        ) from error
