"""What one look at a server shows: who it is, what it is in its set, and which others it knows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from redis.exceptions import ResponseError

from leasehold.plugin import EnginePermanent, ErrorClass
from leasehold_plugins.redis import marks
from leasehold_plugins.redis.addresses import Address
from leasehold_plugins.redis.nodes import Node, Session

_SLOTS_FROM = 8
"""How many fields a line of CLUSTER NODES has before the slots of the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A server that answered. `run_id` is its process's.

    `peers` are the others of its set that it knows, each with whether it is said to be a primary.
    """

    run_id: str
    version: str
    primary: bool
    clustered: bool
    replicas: int
    mark: str
    peers: Mapping[Address, bool]


async def look(node: Node, discover: str) -> Look:
    """Look at a server through a login of its own. Raises EngineError."""
    async with node.fresh() as session:
        info = facts(await session.ask("INFO", "server"))
        info |= facts(await session.ask("INFO", "replication"))
        mode = info.get("redis_mode", info.get("server_mode", ""))
        if mode == "sentinel":
            raise _wrong(f"{node} is a Sentinel, which has no accounts; name what it watches")
        if discover == "cluster" and mode != "cluster":
            raise _wrong(f"discover: cluster, and Redis at {node} is no node of a cluster")
        node.has_file = await _has_file(session)
        peers: Mapping[Address, bool] = {}
        if discover == "replicas":
            peers = dict.fromkeys(in_replication(info, node.address), False)
        elif discover == "cluster":
            peers = dict(in_cluster(await session.ask("CLUSTER", "NODES"), node.address))
        return Look(
            run_id=info.get("run_id", ""),
            version=_version(info),
            primary=info.get("role") == "master",
            clustered=mode == "cluster",
            replicas=int(info.get("connected_slaves", 0)),
            mark=await marks.read(session),
            peers=peers,
        )


def facts(text: str) -> dict[str, str]:
    """The lines `key:value` of a section of INFO."""
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {key: value for key, colon, value in pairs if colon}


def in_replication(info: Mapping[str, str], seen_from: Address) -> Iterator[Address]:
    """The primary of a replica, and the replicas of any, from the section `replication`."""
    if "master_host" in info:
        yield seen_from.beside(info["master_host"], int(info["master_port"]))
    for key, value in info.items():
        if key.startswith("slave") and value.startswith("ip="):
            about = dict(part.partition("=")[::2] for part in value.split(","))
            yield seen_from.beside(about["ip"], int(about["port"]))


def in_cluster(text: str, seen_from: Address) -> Iterator[tuple[Address, bool]]:
    """The nodes that a cluster has not forgotten, failed ones too, from CLUSTER NODES.

    Each with whether it holds slots: `<id> <ip:port@bus[,name]> <flags> … <slot> <slot>`.
    """
    for line in text.splitlines():
        _, place, flags, *rest = line.split(" ")
        if {"noaddr", "handshake"} & set(flags.split(",")):
            continue
        address, _, others = place.partition(",")
        host, _, port = address.partition("@")[0].rpartition(":")
        name = others.partition(",")[0]
        # A certificate has names rather than addresses.
        host = name if seen_from.tls and name else host
        yield seen_from.beside(host, int(port)), len(rest) + 3 > _SLOTS_FROM


async def _has_file(session: Session) -> bool:
    [reply] = await session.run(("CONFIG", "GET", "aclfile"))
    # Where we may not ask, saving will tell.
    return isinstance(reply, ResponseError) or any(reply[1::2])


def _version(info: Mapping[str, str]) -> str:
    if valkey := info.get("valkey_version"):
        return f"Valkey {valkey}"
    return info.get("redis_version", "")


def _wrong(words: str) -> EnginePermanent:
    return EnginePermanent(words, error_class=ErrorClass.INVALID)
