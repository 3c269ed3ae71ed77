"""Taking accounts away, on every server that may have them.

`ACL DELUSER` is one step in the server: from then on nobody can log in, and sessions end. They are
ended before it too, so that their end does not hang on that. Then the ACL is saved: an account that
stands in the file comes back with the next start. What is gone already counts as removed, since the
servers were seen to be those that it was made at.
"""

from collections.abc import Iterable, Mapping, Sequence

from redis.exceptions import NoPermissionError, ResponseError

from leasehold.plugin import (
    Account,
    EngineError,
    EnginePermanent,
    ErrorClass,
    Removal,
    Stage,
    TargetChanged,
    failpoint,
    removed,
)
from leasehold_plugins.redis.errors import Unsaved, refused
from leasehold_plugins.redis.nodes import Command, Lane, Session
from leasehold_plugins.redis.nodeset import NodeSet
from leasehold_plugins.redis.rules import is_ours
from leasehold_plugins.redis.saves import Saves

NODES = "nodes"
"""What a handle calls the servers that got the account."""
_Counts = Mapping[str, tuple[int, int]]
"""For each account how many sessions a server ended, and whether it had the account (0 or 1)."""


async def remove(nodes: NodeSet, accounts: Sequence[Account]) -> list[Removal | EngineError]:
    """One result an account, in order. Raises EngineError when nothing could be done at all."""
    members = list(await nodes.members())
    unfit = dict(_unfit(nodes, accounts))
    fit = [account for account in accounts if account.name not in unfit]
    if not fit:
        return [unfit[account.name] for account in accounts]
    members += await nodes.named(
        text for account in fit for text in account.handle.get(NODES, "").split()
    )
    names = [account.name for account in fit]

    async def work(session: Session) -> _Counts:
        return await _delete(session, names)

    results = await nodes.each(members, Lane.REVOKING, work, save=Saves.cover)
    if outcome := _hindrance(results):
        return [unfit.get(account.name, outcome) for account in accounts]
    counts = [result for result in results if not isinstance(result, EngineError)]
    return [unfit.get(account.name) or _removed(account.name, counts) for account in accounts]


def _unfit(nodes: NodeSet, accounts: Iterable[Account]) -> Iterable[tuple[str, EngineError]]:
    for account in accounts:
        try:
            nodes.require(account.target)
        except TargetChanged as changed:
            yield account.name, changed
        else:
            if not is_ours(account.name):
                yield account.name, foreign(account.name)


def foreign(name: str) -> EnginePermanent:
    """Why the account is not touched."""
    return EnginePermanent(
        f"{name} is no name that leasehold gives to accounts, so it is not touched",
        error_class=ErrorClass.INVALID,
    )


async def _delete(session: Session, names: Sequence[str]) -> _Counts:
    """End the sessions of accounts, and delete them. Raises EngineError."""
    commands: list[Command] = [("CLIENT", "KILL", "USER", name) for name in names]
    commands += [("ACL", "DELUSER", name) for name in names]
    replies = await session.run(*commands)
    for command, reply in zip(commands, replies, strict=True):
        gone = command[0] == "CLIENT" and not isinstance(reply, NoPermissionError)
        if isinstance(reply, ResponseError) and not gone:
            raise refused(reply, command, session.where)
    failpoint("redis.revoke.deleted")
    numbers = [reply if isinstance(reply, int) else 0 for reply in replies]
    ended, deleted = numbers[: len(names)], numbers[len(names) :]
    return dict(zip(names, zip(ended, deleted, strict=True), strict=True))


def _hindrance(results: Sequence[_Counts | EngineError]) -> Removal | EngineError | None:
    """What keeps every one of the accounts, by the results of all servers."""
    errors = [result for result in results if isinstance(result, EngineError)]
    for error in errors:
        if not isinstance(error, Unsaved):
            return error
    if errors:
        return Removal(stage=Stage.DISABLED, residue=errors[0].reason)
    return None


def _removed(name: str, counts: Sequence[_Counts]) -> Removal:
    return removed(
        was_there=any(count[name][1] for count in counts),
        sessions=sum(count[name][0] for count in counts),
    )
