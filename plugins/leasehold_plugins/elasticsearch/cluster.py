"""The nodes of one cluster: who answers is asked, and is seen to be of that cluster first.

An account that is not there counts as removed only at the cluster that it was made at (rule W11).
Connections of HTTP have no identity, so each piece of work begins with the question who is there:
its answer has the cluster's UUID. The rest of the work stays at the node that answered; so another
node is tried only while nothing was changed yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from leasehold.plugin import (
    EngineError,
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    Secret,
    TargetChanged,
)
from leasehold_plugins.elasticsearch.addresses import Address, addresses
from leasehold_plugins.elasticsearch.errors import Away, refused
from leasehold_plugins.elasticsearch.rights import REMEDIES
from leasehold_plugins.elasticsearch.together import together
from leasehold_plugins.elasticsearch.wire import Lane, Reply, Wire

LOOK_S = 3.0
"""How long a node may take to say who it is; then another one is tried."""
_NO_CLUSTER = ("", "_na_")
"""What a node says that has no master yet."""


class Flavour(StrEnum):
    """Whose interface for security it is."""

    ELASTICSEARCH = "elasticsearch"
    OPENSEARCH = "opensearch"


@dataclass(frozen=True, slots=True)
class Seen:
    """A node that answered, and its cluster."""

    address: Address
    uuid: str
    version: str
    flavour: Flavour


class Session:
    """Work at one node of the cluster."""

    def __init__(self, wire: Wire, address: Address, lane: Lane, flavour: Flavour) -> None:
        self.where = str(address)
        self.flavour = flavour
        self._wire = wire
        self._address = address
        self._lane = lane

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | list[Any] | None = None,
        *,
        ok: Sequence[int] = (200,),
    ) -> Reply:
        """The reply, whose status is one of `ok`. Raises EngineError for another."""
        reply = await self.attempt(method, path, body)
        if reply.status not in ok:
            raise self.refused(reply)
        return reply

    async def attempt(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | list[Any] | None = None,
        *,
        login: Secret | None = None,
    ) -> Reply:
        """The reply, whatever it says. Raises EngineTemporary when there is none."""
        return await self._wire.ask(self._address, self._lane, method, path, body, login=login)

    def refused(self, reply: Reply) -> EngineError:
        """The engine's error for a reply."""
        return refused(reply.status, reply.data, self.where, REMEDIES[self.flavour])


class Cluster:
    """The cluster that `connection` leads to."""

    def __init__(self, connection: Mapping[str, Any], timeout_s: float) -> None:
        self.flavour = Flavour(connection.get("flavour", Flavour.ELASTICSEARCH))
        self._connection = connection
        self._wire = Wire(connection, timeout_s)
        self._uuid = ""
        self._nodes: list[Address] = []

    @property
    def target(self) -> str:
        """The identity of the cluster."""
        return f"{self.flavour}:{self._uuid}"

    async def close(self) -> None:
        """Close every connection."""
        await self._wire.close()

    async def look(self) -> list[Seen | Away]:
        """What each node says that it is. Raises EngineError unless one answers, all as one."""
        if self.flavour is Flavour.OPENSEARCH and "api_key" in self._connection:
            raise EnginePermanent(
                "connection.api_key: OpenSearch has none; write username and password",
                error_class=ErrorClass.INVALID,
            )
        await self._wire.trust_anew()
        nodes = addresses(self._connection)
        found = await together(self._looked(address) for address in nodes)
        seen = [one for one in found if isinstance(one, Seen)]
        if not seen:
            raise next(one for one in found if isinstance(one, Away))
        for one in seen:
            if one.uuid != seen[0].uuid:
                raise EnginePermanent(
                    f"{seen[0].address} and {one.address} are of different clusters; name nodes of"
                    " one only",
                    error_class=ErrorClass.CONFLICT,
                )
        serving = [one.address for one in seen]
        self._nodes = serving + [address for address in nodes if address not in serving]
        self._uuid = seen[0].uuid
        return found

    async def session(self, lane: Lane, target: str = "") -> Session:
        """A session at the first node that answers; at the cluster `target`, where one is given.

        Raises TargetChanged when the nodes are of another cluster, EngineTemporary when all are
        away.
        """
        away: Away | None = None
        for address in list(self._nodes):
            try:
                seen = await self._see(address, lane)
            except Away as error:
                away = error
                self._put_last(address)
                continue
            if (target or self.target) != f"{self.flavour}:{seen.uuid}":
                raise TargetChanged(
                    f"{address} is of another cluster than the account was made at"
                    if target
                    else f"{address} is of another cluster than it was"
                )
            return Session(self._wire, address, lane, self.flavour)
        raise away or EngineTemporary("no node has been seen yet")

    async def opens(self, path: str, login: Secret) -> bool:
        """Whether any of the nodes lets that login in. Raises EngineError if that is not known."""
        silent: EngineTemporary | None = None
        for address in list(self._nodes):
            try:
                reply = await self._wire.ask(address, Lane.REVOKING, "GET", path, login=login)
            except EngineTemporary as error:
                silent = error
                continue
            if reply.status == 401:
                continue
            if reply.status in (200, 403):
                return True
            raise refused(reply.status, reply.data, str(address), REMEDIES[self.flavour])
        if silent is not None:
            raise silent
        return False

    async def _looked(self, address: Address) -> Seen | Away:
        try:
            return await self._see(address, Lane.ISSUING)
        except Away as away:
            return away

    async def _see(self, address: Address, lane: Lane) -> Seen:
        try:
            reply = await self._wire.ask(address, lane, "GET", "/", most_s=LOOK_S)
        except EngineTemporary as error:
            raise Away(error.reason) from error  # nothing was changed yet
        if reply.status in (429, 502, 503, 504):
            raise Away(f"{address} does not serve ({reply.status})")
        if reply.status != 200:
            raise refused(reply.status, reply.data, str(address), REMEDIES[self.flavour])
        about = reply.data if isinstance(reply.data, dict) else {}
        version = about.get("version")
        if not isinstance(version, dict) or "cluster_uuid" not in about:
            raise EnginePermanent(
                f"what answers at {address} is neither Elasticsearch nor OpenSearch",
                error_class=ErrorClass.INVALID,
            )
        if (uuid := str(about["cluster_uuid"])) in _NO_CLUSTER:
            raise Away(f"{address} has not joined a cluster")
        told = f"{version.get('distribution')} {about.get('tagline')}".lower()
        flavour = Flavour.OPENSEARCH if "opensearch" in told else Flavour.ELASTICSEARCH
        if flavour is not self.flavour:
            raise EnginePermanent(
                f"connection.flavour: {address} is {flavour}; write flavour: {flavour}",
                error_class=ErrorClass.INVALID,
            )
        return Seen(address, uuid, str(version.get("number", "")), flavour)

    def _put_last(self, address: Address) -> None:
        """The next piece of work is not to wait for a node that was away."""
        if address in self._nodes:
            self._nodes.remove(address)
            self._nodes.append(address)
