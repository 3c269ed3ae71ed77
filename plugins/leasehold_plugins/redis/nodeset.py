"""Work done on all servers of a set. ACLs do not replicate, so we do.

The servers are looked at anew when the last look is old, or when one of them behaved as a stranger.
A server that is away is known from that look, and not waited for by every caller.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from leasehold.plugin import EngineError, EngineTemporary, TargetChanged
from leasehold_plugins.redis.errors import Away
from leasehold_plugins.redis.lookout import Lookout, Member, View, together
from leasehold_plugins.redis.nodes import Lane, Session
from leasehold_plugins.redis.saves import Saves

T = TypeVar("T")
Save = Callable[[Saves], Awaitable[None]]
"""What is awaited of a server's saves after a change: `Saves.cover` or `Saves.soon`."""

LOOK_S = 10.0
"""How old a look may be."""
NO_PRIMARY = (
    "all servers that are named are replicas; name their primary too, or discover: replicas"
)
_NEVER = float("-inf")


class _Stranger(EngineTemporary):
    """A server does not bear the mark of the set."""


class NodeSet:
    """The set that `connection` leads to, as the last look saw it."""

    def __init__(self, connection: Mapping[str, Any], timeout_s: float) -> None:
        self._lookout = Lookout(connection, timeout_s)
        self._view = View()
        self._looking = asyncio.Lock()
        self._looked_at = _NEVER

    @property
    def target(self) -> str:
        """The identity of the set."""
        return f"redis:{self._view.mark}"

    @property
    def discover(self) -> str:
        """How more servers are found than are named; empty for not at all."""
        return self._lookout.discover

    async def close(self) -> None:
        """Close every connection."""
        await self._lookout.close()

    async def look(self) -> Sequence[Member]:
        """The members as they are now. Raises EngineError."""
        async with self._looking:
            self._view = await self._lookout.look(self._view)
            self._looked_at = asyncio.get_running_loop().time()
            return self._view.members

    async def members(self) -> Sequence[Member]:
        """The members, by a look that is not old. Raises EngineError."""
        age_s = asyncio.get_running_loop().time() - self._looked_at
        # While somebody looks, the others go on by what is known.
        if age_s > LOOK_S and not (self._view.members and self._looking.locked()):
            return await self.look()
        return self._view.members

    async def serving(self) -> list[Member]:
        """The members that have to have a new account: all that can be reached.

        Raises EngineError also when a primary is away, since callers would be refused there.
        """
        members = await self.members()
        led = any(its.primary for its in members)
        for its in members:
            if isinstance(its.seen, Away) and (its.primary or not led):
                raise EngineTemporary(f"{its.seen.reason}, and no account is made without it")
        if not led:
            raise EngineTemporary(NO_PRIMARY)
        return [its for its in members if not isinstance(its.seen, Away)]

    async def named(self, texts: Iterable[str]) -> list[Member]:
        """The servers that handles name and that are no members any more."""
        missing = {*texts} - {str(its.node) for its in self._view.members}
        return await together(self._lookout.at(text, self._view.mark) for text in sorted(missing))

    async def each(
        self,
        members: Sequence[Member],
        lane: Lane,
        work: Callable[[Session], Awaitable[T]],
        *,
        save: Save | None = None,
    ) -> list[T | EngineError]:
        """Do `work` at each member, and save as told; one result a member, in order.

        Raises TargetChanged when the servers turn out to be others.
        """
        target = self.target
        results = await together(self._at(its, lane, work, save) for its in members)
        for place, result in enumerate(results):
            if isinstance(result, _Stranger):
                await self.look()
                self.require(target)
                results[place] = await self._at(members[place], lane, work, save)
        return results

    def require(self, target: str) -> None:
        """Raise TargetChanged unless `target` is this set."""
        if target != self.target:
            raise TargetChanged(
                "the connection leads to another Redis than the account was made at, or to one that"
                " has lost its ACL since"
            )

    async def _at(
        self, member: Member, lane: Lane, work: Callable[[Session], Awaitable[T]], save: Save | None
    ) -> T | EngineError:
        if isinstance(member.seen, Away):
            return member.seen
        node = member.node
        try:
            async with node.session(lane) as session:
                if not await node.bears(session, self._view.mark):
                    return _Stranger(f"Redis at {node} is not the server that it was")
                done = await work(session)
            if save is not None:
                await save(node.saves)
        except EngineError as error:
            if isinstance(error, EngineTemporary):
                self._looked_at = _NEVER
            return error
        return done


def all_of(results: Sequence[T | EngineError]) -> list[T]:
    """The results; raises the first that is an error."""
    done = []
    for result in results:
        if isinstance(result, EngineError):
            raise result
        done.append(result)
    return done
