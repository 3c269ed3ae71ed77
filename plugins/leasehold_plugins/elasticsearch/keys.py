"""API keys of Elasticsearch: made with an expiry of the server's own, found by name, invalidated.

Names of keys are not unique, so a name stands for every key that bears it. What was asked for is
looked at again afterwards: a key is gone when no search finds it valid.
"""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from leasehold.plugin import (
    Account,
    EnginePermanent,
    EngineTemporary,
    ErrorClass,
    Issued,
    IssueRequest,
    Secret,
    failpoint,
    seconds_until,
)
from leasehold_plugins.elasticsearch import paths
from leasehold_plugins.elasticsearch.caches import cleared
from leasehold_plugins.elasticsearch.cluster import Session
from leasehold_plugins.elasticsearch.errors import disabled_feature
from leasehold_plugins.elasticsearch.recipes import ApiKey

ID = "id"
"""What a handle calls the id of the key."""
PAGE = 1000
_ASK = "/_security/_query/api_key"
_VALID: Mapping[str, Any] = {"term": {"invalidated": False}}


async def make(session: Session, request: IssueRequest, recipe: ApiKey) -> Issued:
    """Make a key that ends by itself. Raises EngineError."""
    body = {
        "name": request.account.name,
        "expiration": _span(request.expires_at),
        "role_descriptors": recipe.descriptors,
        "metadata": {"leasehold": {"comment": request.comment, **request.labels}},
    }
    made = (await session.ask("POST", "/_security/api_key?refresh=true", body)).data
    return Issued(
        credential={
            "api_key_id": made["id"],
            "api_key": Secret(made["api_key"]),
            "encoded": Secret(made["encoded"]),
        },
        handle={ID: made["id"]},
    )


async def renew(session: Session, account: Account, expires_at: datetime) -> None:
    """Move the key's own expiry. Raises EngineError."""
    found = account.handle.get(ID) or await _only(session, account.name)
    reply = await session.attempt(
        "PUT", f"/_security/api_key/{paths.segment(found)}", {"expiration": _span(expires_at)}
    )
    if reply.status == 404:
        raise EnginePermanent(
            "the API key is gone, or was made by another administrator, who alone can renew it",
            error_class=ErrorClass.ABSENT,
        )
    if reply.status != 200:
        raise session.refused(reply)


async def remove(session: Session, accounts: Sequence[Account]) -> None:
    """Invalidate every key of these names. Raises EngineError unless none is left."""
    named: Mapping[str, Any] = {"terms": {"name": [account.name for account in accounts]}}
    ids = [key["id"] async for key in _found(session, named)]
    ids += [account.handle[ID] for account in accounts if ID in account.handle]
    await invalidate(session, list(dict.fromkeys(ids)), named)


async def remove_of(session: Session, owners: Sequence[str]) -> None:
    """Invalidate every key that these users made. Raises EngineError unless none is left."""
    theirs: Mapping[str, Any] = {"terms": {"username": list(owners)}}
    try:
        ids = [key["id"] async for key in _found(session, theirs, _VALID)]
    except _SwitchedOff:
        return
    await invalidate(session, ids, theirs)


async def names(session: Session) -> AsyncIterator[str]:
    """The names of all keys that were not invalidated."""
    try:
        async for key in _found(session, _VALID):
            yield key["name"]
    except _SwitchedOff:
        return


async def invalidate(session: Session, ids: Sequence[str], scope: Mapping[str, Any]) -> None:
    """Invalidate keys, and see that `scope` has no valid one left. Raises EngineError."""
    for start in range(0, len(ids), PAGE):
        reply = await session.ask(
            "DELETE", "/_security/api_key", {"ids": list(ids[start : start + PAGE])}, ok=(200, 404)
        )
        if reply.status == 200 and reply.data.get("error_count"):
            raise EngineTemporary(f"{session.where} could not invalidate every API key")
    if not ids:
        return
    failpoint("elasticsearch.revoke.invalidated")
    left = [key async for key in _found(session, scope, _VALID)]
    if left:
        raise EngineTemporary(f"API keys are valid still at {session.where} ({len(left)})")
    for part in paths.lists(ids):
        reply = await session.attempt("POST", f"/_security/api_key/{part}/_clear_cache")
        # Who may only manage keys may not ask for this; then what the server does itself counts.
        if reply.status != 403:
            cleared(session, reply)


class _SwitchedOff(EnginePermanent):
    """The cluster has no API keys (xpack.security.authc.api_key.enabled: false)."""


async def _found(
    session: Session, *conditions: Mapping[str, Any]
) -> AsyncIterator[Mapping[str, Any]]:
    """Page through keys that meet all conditions."""
    body: dict[str, Any] = {
        "query": {"bool": {"filter": list(conditions)}},
        "sort": ["name", "creation"],
        "size": PAGE,
    }
    while True:
        reply = await session.attempt("POST", _ASK, body)
        if disabled_feature(reply.data) == "api_keys":
            raise _SwitchedOff(
                f"API keys are switched off at {session.where}", error_class=ErrorClass.UNSUPPORTED
            )
        if reply.status != 200:
            raise session.refused(reply)
        page = reply.data["api_keys"]
        for key in page:
            yield key
        if len(page) < PAGE:
            return
        body["search_after"] = page[-1]["_sort"]


async def _only(session: Session, name: str) -> str:
    ids = [key["id"] async for key in _found(session, {"term": {"name": name}}, _VALID)]
    if len(ids) != 1:
        raise EnginePermanent(
            f"{len(ids)} valid API keys bear the account's name; one was expected",
            error_class=ErrorClass.ABSENT,
        )
    return str(ids[0])


def _span(end: datetime) -> str:
    """The time until `end`, as the server takes it; it adds its own clock."""
    return f"{max(1, math.ceil(seconds_until(end)))}s"
