"""What became of tokens and wrapped responses since an older store was written, by its audit.

Such a store has tokens that were revoked since, knows an end of others that is past, and takes
responses for lost that somebody has unwrapped. That is put right before the first request is
taken, so that nobody gets in by a token that was taken away.
"""

import asyncio
import contextlib
import logging

from leasehold.clock import Clock, lease_time
from leasehold.errors import Conflict, Unavailable
from leasehold.events.audit_line import Line
from leasehold.events.audit_search import AuditSearch
from leasehold.leases import tokens as life
from leasehold.leases.store import Document, LeaseStore
from leasehold.leases.token_store import TokenChange, TokenStore
from leasehold.model import Cause, Event, EventType
from leasehold.tokens.wrapping import KIND

logger = logging.getLogger(__name__)

_ENDED = {EventType.TOKEN_REVOKED: Cause.OPERATOR, EventType.TOKEN_EXPIRED: Cause.TTL}
_MOVED = (EventType.TOKEN_RENEWED, *_ENDED)
WHY = "an older store did not know it"


async def catch_up(
    search: AuditSearch, known: int, store: LeaseStore, tokens: TokenStore, clock: Clock
) -> None:
    """Do what the audit has behind line `known`; quiet when that was done. Raises Unavailable."""
    try:
        moved, unwrapped = await asyncio.to_thread(_since, search, known)
    except OSError as error:
        raise Unavailable(f"the audit cannot be read ({error.strerror})") from error
    await store.keep([Document(KIND, accessor, None) for accessor in unwrapped])
    for accessor, line in moved.items():
        with contextlib.suppress(Conflict):  # what belongs to one that is gone has gone too
            await _move(accessor, line, tokens, clock)


def _since(search: AuditSearch, known: int) -> tuple[dict[str, Line], set[str]]:
    """The last line on each token, and the responses that were unwrapped."""
    moved: dict[str, Line] = {}
    unwrapped: set[str] = set()
    for line in search.since(known):
        about = line.get("detail", {}).get("about", "")
        if line["event"] == EventType.RESPONSE_UNWRAPPED:
            unwrapped.add(about.removeprefix("response:"))
        elif line["event"] in _MOVED:
            moved.setdefault(about.removeprefix("token:"), line)
    return moved, unwrapped


async def _move(accessor: str, line: Line, tokens: TokenStore, clock: Clock) -> None:
    """Have a token be as its last line says, if the store has it and did not end it."""
    found = await tokens.line_of(accessor)
    if not found or found[0].cause is not None:
        return
    token, now_ms = found[0], clock.now_ms()
    until = line["detail"].get("expires")
    if cause := _ENDED.get(line["event"]):
        new, kind = life.end(token, now_ms, cause), EventType.TOKEN_REVOKED
    elif until and (until_ms := lease_time(clock)(until)) > token.expires_ms:
        new = life.renew(token, now_ms, min(until_ms, token.max_expires_ms))
        kind = EventType.TOKEN_RENEWED
    else:
        return
    about = {"about": f"token:{accessor}", "why": WHY, **({"expires": until} if until else {})}
    told = Event.new(kind, now_ms, None, caller=None, **about)
    await tokens.write(TokenChange(old=token, new=new, events=(told,), may_delay_audit=True))
    logger.info("token %s: %s; %s", accessor, line["event"], WHY)
