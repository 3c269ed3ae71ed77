"""Internal users of OpenSearch: made, marked with their end, taken away.

All of them stand in one document, which each change writes anew. So changes are made one at a time;
who was overtaken by another administrator is refused with a conflict, and nothing was done. A
change is answered with success only when every node has taken it, and each forgets its logins then.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from leasehold.plugin import (
    Account,
    EnginePermanent,
    ErrorClass,
    Issued,
    IssueRequest,
    Secret,
    failpoint,
    make_password,
)
from leasehold_plugins.elasticsearch import paths
from leasehold_plugins.elasticsearch.cluster import Session
from leasehold_plugins.elasticsearch.recipes import User, has_own_roles
from leasehold_plugins.elasticsearch.rights import API_ACCESS

API = "/_plugins/_security/api"
USERS = f"{API}/internalusers"
_ATTRIBUTE = "leasehold_"
"""How the names of our attributes begin."""
_UNTIL = f"{_ATTRIBUTE}until"


class InternalUsers:
    """The users of one cluster."""

    def __init__(self) -> None:
        self._writing = asyncio.Lock()

    async def make(self, session: Session, request: IssueRequest, recipe: User) -> Issued:
        """Make a user, and its role if it has one of its own. Raises EngineError."""
        name = request.account.name
        password = make_password(request.password_policy)
        about = {**request.labels, "comment": request.comment}
        body = {
            "password": password,
            "opendistro_security_roles": list(recipe.roles),
            "attributes": {
                **{_ATTRIBUTE + key: value for key, value in about.items()},
                _UNTIL: request.expires_at.isoformat(),
            },
        }
        async with self._writing:
            if recipe.definition is not None:
                await session.ask("PUT", _role(name), recipe.definition, ok=(200, 201))
            reply = await session.attempt("PUT", _user(name), body)
        if reply.status == 404:
            raise EnginePermanent(
                f"one of the roles is missing: {', '.join(recipe.roles)}",
                error_class=ErrorClass.ABSENT,
            )
        if reply.status == 403:
            raise EnginePermanent(
                f"{session.where} does not let the administrator make this user: {API_ACCESS}; or"
                " one of its roles is static or reserved, and cannot be given: make another one",
                error_class=ErrorClass.DENIED,
            )
        if reply.status == 200:
            raise EnginePermanent(
                "a user of that name was there already, and has got another password",
                error_class=ErrorClass.CONFLICT,
            )
        if reply.status != 201:
            raise session.refused(reply)
        return Issued(credential={"username": name, "password": Secret(password)})

    async def renew(self, session: Session, account: Account, expires_at: datetime) -> None:
        """Move the end that the user bears; it revives no user. Raises EngineError."""
        path, value = f"/attributes/{_UNTIL}", expires_at.isoformat()
        async with self._writing:
            reply = await session.attempt(
                "PATCH", _user(account.name), [{"op": "add", "path": path, "value": value}]
            )
        if reply.status == 404:
            raise EnginePermanent("the user is gone", error_class=ErrorClass.ABSENT)
        if reply.status != 200:
            raise session.refused(reply)

    async def remove(self, session: Session, accounts: Sequence[Account]) -> None:
        """Delete users and their own roles. Raises EngineError unless every node knows it."""
        names = [account.name for account in accounts]
        with_roles = [account.name for account in accounts if has_own_roles(account.role)]
        async with self._writing:
            gone = await _delete(session, USERS, names)
            failpoint("elasticsearch.revoke.deleted")
            if gone < len(names):
                # A node may have missed the change that deleted them; this tells all nodes again.
                await session.ask("DELETE", f"{API}/cache")
            await _delete(session, f"{API}/roles", with_roles)

    async def give(self, session: Session, username: str, password: Secret) -> None:
        """Have a user that stands log in with `password` from now on. Raises EngineError."""
        # A hash would have to be of the kind that the cluster has chosen, which it does not tell.
        change = [{"op": "add", "path": "/password", "value": password.reveal()}]
        async with self._writing:
            reply = await session.attempt("PATCH", _user(username), change)
        if reply.status == 404:
            raise EnginePermanent(
                f"there is no internal user {username}", error_class=ErrorClass.ABSENT
            )
        if reply.status == 403:
            raise EnginePermanent(
                f"the administrator may not set the password of {username}: {API_ACCESS}; or the"
                " user is reserved, and cannot be changed",
                error_class=ErrorClass.DENIED,
            )
        if reply.status != 200:
            raise session.refused(reply)

    async def names(self, session: Session) -> AsyncIterator[str]:
        """The names of all users; there are no pages."""
        for name in (await session.ask("GET", USERS)).data:
            yield name


async def _delete(session: Session, things: str, names: Sequence[str]) -> int:
    """Delete those that there are, in one change; how many there were."""
    if len(names) == 1:
        reply = await session.ask("DELETE", f"{things}/{paths.segment(names[0])}", ok=(200, 404))
        return 1 if reply.status == 200 else 0
    known: Mapping[str, Any] = (await session.ask("GET", things)).data if names else {}
    there = [name for name in names if name in known]
    if there:
        await session.ask("PATCH", things, [{"op": "remove", "path": _pointer(it)} for it in there])
    return len(there)


def _pointer(name: str) -> str:
    """A member in a JSON document (RFC 6901)."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _user(name: str) -> str:
    return f"{USERS}/{paths.segment(name)}"


def _role(name: str) -> str:
    return f"{API}/roles/{paths.segment(name)}"
