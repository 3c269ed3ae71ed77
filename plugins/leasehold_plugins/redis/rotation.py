"""Another password for a user that stands: the administrator's own, or one of a static role.

A Redis user may have several passwords. So every server of the set gets the new one beside the old
one and saves it, and the old one goes when the new one opens all of them. Wherever a crash or a
lost answer cuts in, one of both opens every server: the old one before that, the new one after it.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from hashlib import sha256

from redis.exceptions import NoPermissionError

from leasehold.plugin import (
    EngineError,
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    Secret,
    failpoint,
)
from leasehold_plugins.redis.errors import Away, right
from leasehold_plugins.redis.lookout import Member
from leasehold_plugins.redis.nodes import Lane, Session
from leasehold_plugins.redis.nodeset import NO_PRIMARY, NodeSet, all_of
from leasehold_plugins.redis.preflight import MAKES_NOTHING
from leasehold_plugins.redis.saves import Saves


async def give(nodes: NodeSet, username: str, password: Secret, administrator: str) -> None:
    """Have `password` alone open every server for the user. Raises EngineError.

    After an error without an unknown outcome no server was told anything.
    """
    members = await nodes.look()
    try:
        await _check(nodes, members, username, administrator)
    except EngineTemporary as error:
        raise EngineTemporary(f"{error.reason}; a password changes everywhere or not") from error
    clear = password.reveal()
    hashed = f"#{sha256(clear.encode()).hexdigest()}"
    try:
        await _set(nodes, members, username, [hashed], "beside")
        for its in members:
            if not await its.node.opens(username, clear):
                raise EngineTemporary(f"Redis at {its.node} does not take the new password")
        # Whatever an attempt that was given up may have left goes too.
        await _set(nodes, members, username, ["resetpass", hashed], "alone")
    except EngineError as error:
        raise EngineTemporary(error.reason, outcome_unknown=True) from error


async def lacking(nodes: NodeSet, username: str, administrator: str) -> list[str]:
    """What keeps us from giving the user a password, at each server that can be reached."""
    members = await nodes.members()
    found = await nodes.each(members, Lane.ISSUING, _able(username, administrator))
    told = [result.reason for result in found if isinstance(result, EnginePermanent)]
    return [*told, *(refusal.reason for refusal in _unsaved(members))]


async def _check(
    nodes: NodeSet, members: Sequence[Member], username: str, administrator: str
) -> None:
    """Raise EngineError unless every server is there, and can change and keep the password."""
    if not any(its.primary for its in members):
        raise EngineTemporary(NO_PRIMARY)
    all_of(
        await nodes.each(members, Lane.ISSUING, _able(username, administrator), save=Saves.cover)
    )
    for refusal in _unsaved(members):
        raise refusal


def _able(username: str, administrator: str) -> Callable[[Session], Awaitable[None]]:
    """What raises EnginePermanent at a server that cannot change the password."""

    async def work(session: Session) -> None:
        found = await session.ask("ACL", "GETUSER", username)
        if not found:
            raise EnginePermanent(
                f"Redis at {session.where} has no user {username}: ACL SETUSER {username} on …",
                error_class=ErrorClass.ABSENT,
            )
        if "on" not in dict(zip(found[::2], found[1::2], strict=True))["flags"]:
            raise EnginePermanent(
                f"the user {username} is off at Redis at {session.where}: ACL SETUSER {username}"
                " on",
                error_class=ErrorClass.INVALID,
            )
        [reply] = await session.run(MAKES_NOTHING)
        if isinstance(reply, NoPermissionError):
            raise EnginePermanent(
                f"cannot rotate {username} at {session.where}: ACL SETUSER {administrator}"
                f" +{right(MAKES_NOTHING)}",
                error_class=ErrorClass.DENIED,
            )

    return work


def _unsaved(members: Sequence[Member]) -> Iterator[EnginePermanent]:
    """Why servers that were asked would not keep the password."""
    for its in members:
        if not isinstance(its.seen, Away) and not its.node.has_file:
            yield EnginePermanent(
                f"Redis at {its.node} has no aclfile, so a restart would bring the old password"
                " back: write `aclfile /path/users.acl` into redis.conf, and restart",
                error_class=ErrorClass.UNSUPPORTED,
            )


async def _set(
    nodes: NodeSet, members: Sequence[Member], username: str, rules: Sequence[str], step: str
) -> None:
    async def work(session: Session) -> None:
        await session.ask("ACL", "SETUSER", username, *rules)
        failpoint(f"redis.rotate.{step}")

    all_of(await nodes.each(members, Lane.ISSUING, work, save=Saves.cover))
