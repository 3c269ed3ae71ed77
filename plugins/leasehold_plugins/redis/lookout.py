"""Which servers there are, and whether they are one set: named ones, and those that they know."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from leasehold.plugin import (
    EngineError,
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    revealed,
)
from leasehold.plugin.lanes import shares
from leasehold_plugins.redis import marks
from leasehold_plugins.redis.addresses import Address, parse
from leasehold_plugins.redis.errors import Away
from leasehold_plugins.redis.looks import Look, look
from leasehold_plugins.redis.nodes import Lane, Node
from leasehold_plugins.redis.trust import Trust

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Member:
    """A server of the set; what the last look at it showed, or why it could not be reached."""

    node: Node
    seen: Look | Away
    primary: bool


@dataclass(frozen=True, slots=True)
class View:
    """The servers of a set, and the mark that they bear."""

    members: Sequence[Member] = ()
    mark: str = ""


class Lookout:
    """Looks at the servers that `connection` leads to, and keeps their connections."""

    def __init__(self, connection: Mapping[str, Any], timeout_s: float) -> None:
        self.discover = str(connection.get("discover", ""))
        self._connection = connection
        self._timeout_s = timeout_s
        self._trust = Trust(connection)
        self._login: dict[str, Any] = {
            "username": connection["username"],
            "password": revealed(connection.get("password", "")),
        }
        issuing, revoking = shares(connection)
        self._sizes = {Lane.ISSUING: issuing, Lane.REVOKING: revoking, Lane.SAVING: 1}
        self._nodes: dict[Address, Node] = {}

    async def close(self) -> None:
        """Close every connection."""
        for node in self._nodes.values():
            await node.close()

    async def look(self, before: View) -> View:
        """Look at every server, and have them bear one mark. Raises EngineError."""
        members = _distinct(await self._look_around())
        looks = [(its.node, its.seen) for its in members if isinstance(its.seen, Look)]
        if not looks:
            raise next(its.seen for its in members if isinstance(its.seen, Away))
        mark = _agreed(looks, len(members), before)
        for node, seen in looks:
            if seen.mark != mark:
                mark = await _leave(node, mark)
        return View(members, mark)

    async def at(self, text: str, mark: str) -> Member:
        """The server that a handle names, if it still is of the set with that mark."""
        node = self._node(self._seeds()[0].named(text))
        seen = await self._look(node)
        if not isinstance(seen, Look) or seen.mark != mark:
            seen = Away(f"Redis at {node} had the account, and is away or was replaced")
        return Member(node, seen, primary=False)

    async def _look_around(self) -> list[Member]:
        """Look at all that are named, then at whom those know, until nobody new turns up."""
        seeds = self._seeds()
        if any(seed.tls for seed in seeds):
            self._login["tls"] = await self._trust.context()
        primary: dict[Address, bool] = dict.fromkeys(seeds, False)
        seen: dict[Address, Look | Away] = {}
        while new := [self._node(address) for address in primary if address not in seen]:
            for node, found in zip(new, await together(map(self._look, new)), strict=True):
                if not isinstance(found, Look | Away):
                    raise found
                seen[node.address] = found
                if isinstance(found, Look):
                    primary[node.address] |= found.primary
                    for peer, leads in found.peers.items():
                        primary[peer] = primary.get(peer, False) or leads
        return [Member(self._node(each), seen[each], primary[each]) for each in seen]

    async def _look(self, node: Node) -> Look | EngineError:
        try:
            return await look(node, self.discover)
        except EngineError as error:
            return error

    def _seeds(self) -> list[Address]:
        texts = [revealed(self._connection["url"]), *self._connection.get("nodes", ())]
        return [parse(text) for text in texts]

    def _node(self, address: Address) -> Node:
        if address not in self._nodes:
            self._nodes[address] = Node(address, self._login, self._sizes, self._timeout_s)
        return self._nodes[address]


def _agreed(looks: Sequence[tuple[Node, Look]], size: int, before: View) -> str:
    """The one mark of the servers that were seen out of `size`. Raises EngineError."""
    marked = {seen.mark: node for node, seen in looks if seen.mark}
    if len(marked) > 1:
        one, other, *_ = marked.values()
        raise EnginePermanent(
            f"Redis at {one} and at {other} bear different marks, so they are not one set; if they"
            f" are now, run at the one that was added: ACL DELUSER {marks.USER}",
            error_class=ErrorClass.CONFLICT,
        )
    for mark in marked:
        return mark
    known = {its.seen.run_id for its in before.members if isinstance(its.seen, Look)}
    if before.mark and any(seen.run_id in known for _, seen in looks):
        return before.mark  # somebody removed it, from a server that has not ended since
    if len(looks) < size:
        raise EngineTemporary("which Redis this is cannot be told while a server of it is away")
    return marks.new()


async def _leave(node: Node, mark: str) -> str:
    async with node.fresh() as session:
        borne = await marks.leave(session, mark)
    await node.saves.cover()
    return borne


def _distinct(members: Iterable[Member]) -> list[Member]:
    """Each server once, by the address that came first."""
    found: dict[object, Member] = {}
    for its in members:
        found.setdefault(its.seen.run_id if isinstance(its.seen, Look) else its.node, its)
    return list(found.values())


async def together(work: Iterable[Awaitable[T]]) -> list[T]:
    """All at once; a single one without a task of its own."""
    waiting = list(work)
    if len(waiting) == 1:
        return [await waiting[0]]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_await(one)) for one in waiting]
    return [task.result() for task in tasks]


async def _await(one: Awaitable[T]) -> T:
    return await one
