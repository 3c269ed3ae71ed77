"""Another password for a native user that stands: the administrator's, or one of a static role.

Nodes remember who logged in, so the old password is dead only when each of them was told to forget
it. A change that not all have heard of counts as unknown, and is made again.
"""

from leasehold.plugin import EngineError, EnginePermanent, EngineTemporary, ErrorClass, Secret
from leasehold_plugins.elasticsearch import paths
from leasehold_plugins.elasticsearch.caches import cleared
from leasehold_plugins.elasticsearch.cluster import Session
from leasehold_plugins.elasticsearch.rights import USERS, put_role
from leasehold_plugins.elasticsearch.wire import basic

_OURS = ("native", "reserved")
"""The realms whose passwords the interface changes; others keep them elsewhere."""


async def give_ours(session: Session, password: Secret) -> None:
    """Have the administrator log in with `password` from now on; it needs no right for that."""
    who = (await session.ask("GET", "/_security/_authenticate")).data
    if who["authentication_realm"]["type"] not in _OURS:
        raise EnginePermanent(
            f"the administrator is no native user of {session.where}, so its password is kept"
            " elsewhere and cannot be rotated",
            error_class=ErrorClass.UNSUPPORTED,
        )
    await session.ask("PUT", "/_security/user/_password", {"password": password.reveal()})
    username = str(who["username"])
    await _forget(session, username, basic(username, password.reveal()))


async def give(session: Session, username: str, password: Secret) -> None:
    """Have a native user log in with `password` from now on. Raises EngineError."""
    path = f"/_security/user/{paths.segment(username)}"
    found = await session.attempt("GET", path)
    if found.status == 404:
        raise EnginePermanent(f"there is no native user {username}", error_class=ErrorClass.ABSENT)
    if found.status == 200 and not found.data[username]["enabled"]:
        raise EnginePermanent(
            f"{username} is disabled: PUT {path}/_enable", error_class=ErrorClass.INVALID
        )
    reply = found
    if found.status == 200:
        reply = await session.attempt("PUT", f"{path}/_password", {"password": password.reveal()})
    if reply.status == 403:
        raise EnginePermanent(
            f"the administrator may not set the password of {username}: {put_role(USERS)}",
            error_class=ErrorClass.DENIED,
        )
    if reply.status != 200:
        raise session.refused(reply)
    await _forget(session, username)


async def _forget(session: Session, username: str, login: Secret | None = None) -> None:
    path = f"/_security/realm/_all/_clear_cache?usernames={paths.segment(username)}"
    try:
        reply = await session.attempt("POST", path, login=login)
        # Who may only manage API keys may not ask for this; then what the server does counts.
        if reply.status != 403:
            cleared(session, reply)
    except EngineError as trouble:
        raise EngineTemporary(trouble.reason, outcome_unknown=True) from trouble
