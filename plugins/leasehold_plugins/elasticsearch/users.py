"""Native users of Elasticsearch: made, marked with their end, and taken away with what they made.

Deleting a user is one step, and the nodes forget the login. Keys and tokens that the user made for
itself would live on, so they go next, when no more of them can be made.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from leasehold.plugin import (
    Account,
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    Issued,
    IssueRequest,
    Secret,
    failpoint,
    make_password,
)
from leasehold_plugins.elasticsearch import keys, paths
from leasehold_plugins.elasticsearch.caches import cleared
from leasehold_plugins.elasticsearch.cluster import Session
from leasehold_plugins.elasticsearch.errors import disabled_feature, unlicensed_feature
from leasehold_plugins.elasticsearch.recipes import User, has_own_roles
from leasehold_plugins.elasticsearch.together import together

MARK = "leasehold"
"""What the metadata of a user call ours."""
UNTIL = "until"


async def make(session: Session, request: IssueRequest, recipe: User) -> Issued:
    """Make a user, and its role if it has one of its own. Raises EngineError."""
    name = request.account.name
    password = make_password(request.password_policy)
    if recipe.definition is not None:
        await session.ask("PUT", _role(name), recipe.definition)
    body = {
        "password": password,
        "roles": list(recipe.roles),
        "metadata": {
            MARK: {
                **request.labels,
                "comment": request.comment,
                UNTIL: request.expires_at.isoformat(),
            }
        },
    }
    made = (await session.ask("PUT", _user(name), body)).data
    if not made.get("created"):
        raise EnginePermanent(
            "a user of that name was there already, and has got another password",
            error_class=ErrorClass.CONFLICT,
        )
    return Issued(credential={"username": name, "password": Secret(password)})


async def renew(session: Session, account: Account, expires_at: datetime) -> None:
    """Move the end that the user bears. No password, so it revives no user. Raises EngineError."""
    reply = await session.attempt("GET", _user(account.name))
    if reply.status == 404:
        raise EnginePermanent("the user is gone", error_class=ErrorClass.ABSENT)
    if reply.status != 200:
        raise session.refused(reply)
    found = reply.data[account.name]
    kept = {
        key: found[key]
        for key in ("roles", "metadata", "enabled", "full_name", "email")
        if found.get(key) is not None
    }
    metadata = kept.get("metadata", {})
    ours = {**metadata.get(MARK, {}), UNTIL: expires_at.isoformat()}
    await session.ask("PUT", _user(account.name), {**kept, "metadata": {**metadata, MARK: ours}})


async def remove(session: Session, accounts: Sequence[Account]) -> None:
    """Delete users, and end what they made. Raises EngineError unless all of it is gone."""
    owners = [account.name for account in accounts]
    await together(_delete(session, _user(owner)) for owner in owners)
    failpoint("elasticsearch.revoke.deleted")
    for part in paths.lists(owners):
        path = f"/_security/realm/_all/_clear_cache?usernames={part}"
        cleared(session, await session.attempt("POST", path))
    await keys.remove_of(session, owners)
    await together(_end_tokens(session, owner) for owner in owners)
    with_roles = [account.name for account in accounts if has_own_roles(account.role)]
    await together(_delete(session, _role(name)) for name in with_roles)


async def exists(session: Session, name: str) -> bool:
    """Whether there is such a user. Raises EngineError."""
    return (await session.ask("GET", _user(name), ok=(200, 404))).status == 200


async def names(session: Session) -> AsyncIterator[str]:
    """The names of all users; there are no pages."""
    for name in (await session.ask("GET", "/_security/user")).data:
        yield name


async def _delete(session: Session, path: str) -> None:
    await session.ask("DELETE", path, ok=(200, 404))


async def _end_tokens(session: Session, owner: str) -> None:
    reply = await session.attempt("DELETE", "/_security/oauth2/token", {"username": owner})
    off = disabled_feature(reply.data) == "security_tokens"
    if reply.status == 404 or off or unlicensed_feature(reply.data):
        return  # there are none
    if reply.status != 200:
        raise session.refused(reply)
    if reply.data.get("error_count"):
        raise EngineTemporary(f"{session.where} could not invalidate every token of the account")


def _user(name: str) -> str:
    return f"/_security/user/{paths.segment(name)}"


def _role(name: str) -> str:
    return f"/_security/role/{paths.segment(name)}"
