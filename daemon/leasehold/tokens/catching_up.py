"""What became of tokens, secret ids and wrapped responses since an older store was written.

Such a store has tokens and secret ids that were revoked or used up since, knows an end of others
that is past, and takes responses for lost that somebody has unwrapped. The audit puts that right
before the first request is taken, so that nobody gets in by what was taken away.
"""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field, replace

from leasehold.clock import Clock, lease_time
from leasehold.errors import Conflict, Unavailable
from leasehold.events.audit_line import Line
from leasehold.events.audit_search import AuditSearch
from leasehold.leases import tokens as life
from leasehold.leases.store import Document, LeaseStore
from leasehold.leases.token_store import TokenChange, TokenStore
from leasehold.model import Cause, Event, EventType
from leasehold.tokens import secret_id
from leasehold.tokens.wrapping import KIND

logger = logging.getLogger(__name__)

_ENDED = {EventType.TOKEN_REVOKED: Cause.OPERATOR, EventType.TOKEN_EXPIRED: Cause.TTL}
_MOVED = (EventType.TOKEN_RENEWED, *_ENDED)
_SPENT = (
    EventType.SECRET_ID_USED,
    EventType.SECRET_ID_REVOKED,
    EventType.SECRET_ID_EXPIRED,
)
WHY = "an older store did not know it"


async def catch_up(
    search: AuditSearch, known: int, store: LeaseStore, tokens: TokenStore, clock: Clock
) -> None:
    """Do what the audit has behind line `known`; quiet when that was done. Raises Unavailable."""
    try:
        since = await asyncio.to_thread(_since, search, known)
    except OSError as error:
        raise Unavailable(f"the audit cannot be read ({error.strerror})") from error
    await store.keep([Document(KIND, accessor, None) for accessor in since.unwrapped])
    for accessor, line in since.tokens.items():
        with contextlib.suppress(Conflict):  # what belongs to one that is gone has gone too
            await _move(accessor, line, tokens, clock)
    await _use_up(since.secret_ids, store, clock)


@dataclass(frozen=True, slots=True)
class _Since:
    """The last line on each token and each secret id, and the responses that were unwrapped."""

    tokens: dict[str, Line] = field(default_factory=dict)
    secret_ids: dict[str, Line] = field(default_factory=dict)
    unwrapped: set[str] = field(default_factory=set)


def _since(search: AuditSearch, known: int) -> _Since:
    found = _Since()
    for line in search.since(known):
        about = line.get("detail", {}).get("about", "")
        if line["event"] == EventType.RESPONSE_UNWRAPPED:
            found.unwrapped.add(about.removeprefix("response:"))
        elif line["event"] in _MOVED:
            found.tokens.setdefault(about.removeprefix("token:"), line)
        elif line["event"] in _SPENT:
            found.secret_ids.setdefault(about.removeprefix("secretid:"), line)
    return found


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


async def _use_up(lines: dict[str, Line], store: LeaseStore, clock: Clock) -> None:
    """Have secret ids be as often good as their last lines say."""
    documents, events = [], []
    for kept in map(secret_id.stored, await store.sound_documents(secret_id.KIND)):
        line = lines.get(kept.accessor)
        if line is None:
            continue
        if line["event"] != EventType.SECRET_ID_USED:
            about = {"about": f"secretid:{kept.accessor}", "method": kept.method, "role": kept.role}
            kind, now_ms = EventType.SECRET_ID_REVOKED, clock.now_ms()
            events.append(Event.new(kind, now_ms, None, caller=None, **about, why=WHY))
            documents.append(kept.none())
        elif kept.uses is not None:
            documents.append(replace(kept, uses=int(line["detail"]["left"])).document())
    await store.keep(documents, *events, may_delay_audit=True)
