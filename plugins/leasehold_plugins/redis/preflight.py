"""What is lacking on the servers, found before the first account is made, with the line to run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from redis.exceptions import ExecAbortError, NoPermissionError

from leasehold.plugin import EngineError, EngineTemporary, Health
from leasehold_plugins.redis.errors import Away, right
from leasehold_plugins.redis.lookout import Member
from leasehold_plugins.redis.looks import Look
from leasehold_plugins.redis.nodes import Command, Node, Session
from leasehold_plugins.redis.nodeset import NO_PRIMARY
from leasehold_plugins.redis.trial import TRIAL, try_out

OLDEST = 7
MAKES_NOTHING: Command = ("ACL", "SETUSER", TRIAL, "leasehold")
"""Shows whether accounts may be made; `leasehold` is no rule, so none is."""
_NEEDED: Sequence[tuple[Command, str]] = (
    (MAKES_NOTHING, "make accounts"),
    (("ACL", "DELUSER", TRIAL), "remove accounts"),
    (("ACL", "GETUSER", TRIAL), "look at an account"),
    (("ACL", "USERS"), "list accounts"),
    (("CLIENT", "KILL", "USER", TRIAL), "end sessions"),
    (("CONFIG", "GET", "aclfile"), "see whether there is an aclfile"),
    (("MULTI",), "try a role out"),
    (("EXEC",), "try a role out"),
)
"""Commands without any effect: there is no such account."""


async def preflight(
    members: Sequence[Member], roles: Sequence[Mapping[str, Any]], administrator: str, discover: str
) -> Health:
    """Look at every member for what these roles need. Raises EngineError."""
    away = [its.seen.reason for its in members if isinstance(its.seen, Away)]
    missing: list[str] = []
    versions: set[str] = set()
    for its in members:
        if isinstance(its.seen, Look):
            versions.add(its.seen.version)
            missing += _about(its.node, its.seen, len(members), discover)
            async with its.node.fresh() as session:
                missing += await _rights(session, its.node, administrator)
                missing += await _refusals(session, roles)
            missing += await _saving(its.node)
    if not away and not any(its.primary for its in members):
        missing.append(NO_PRIMARY)
    reason = "; ".join(away) or ("rights or settings are missing" if missing else "")
    return Health(
        ok=not reason,
        reason=reason,
        missing=tuple(dict.fromkeys(missing)),
        version=", ".join(sorted(versions)),
    )


def _about(node: Node, seen: Look, size: int, discover: str) -> Iterable[str]:
    number = seen.version.removeprefix("Valkey ")
    if number.partition(".")[0].isdigit() and int(number.partition(".")[0]) < OLDEST:
        yield f"Redis {number} at {node} is older than {OLDEST}.0, the oldest that is supported"
    if not node.has_file:
        yield (
            f"Redis at {node} has no aclfile, so a restart loses the accounts of live leases, or"
            " brings removed ones back from redis.conf: write `aclfile /path/users.acl` into"
            " redis.conf, and restart"
        )
    if seen.clustered and discover != "cluster":
        yield f"Redis at {node} is a node of a cluster; add to the connection: discover: cluster"
    elif not discover and seen.replicas >= size:
        yield (
            f"Redis at {node} has replicas ({seen.replicas}), which get no accounts by themselves;"
            " add to the connection: discover: replicas, or name them under nodes"
        )


async def _rights(session: Session, node: Node, administrator: str) -> list[str]:
    replies = await session.run(*(command for command, _ in _NEEDED))
    return [
        f"cannot {what} at {node}: ACL SETUSER {administrator} +{right(command)}"
        for (command, what), reply in zip(_NEEDED, replies, strict=True)
        if isinstance(reply, NoPermissionError | ExecAbortError)
    ]


async def _refusals(session: Session, roles: Iterable[Mapping[str, Any]]) -> list[str]:
    found = []
    for role in roles:
        try:
            await try_out(session, role)
        except EngineTemporary:
            raise
        except EngineError as error:
            found.append(error.reason)
    return found


async def _saving(node: Node) -> list[str]:
    try:
        await node.saves.cover()
    except EngineTemporary as error:
        return [error.reason]
    return []
