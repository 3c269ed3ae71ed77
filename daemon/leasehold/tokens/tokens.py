"""The verbs of a token: issue, speak by it, renew, end.

A token gives nobody a right: whoever speaks by it is the caller that logged in, and each use is
judged by the policy that is served then. Ending one is written first; its children and the leases
that were made by it follow in the sweep, so that a crash between them is caught up.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from leasehold.access import STRANGER, Access
from leasehold.clock import Clock, rfc3339
from leasehold.errors import Invalid, LeaseholdError
from leasehold.failpoints import hit
from leasehold.leases import tokens as life
from leasehold.leases import ttl
from leasehold.leases.claims import Claims
from leasehold.leases.token_store import TokenChange, TokenStore
from leasehold.leases.tokens import Token
from leasehold.model import Caller, Cause, Event, EventType
from leasehold.secret import Secret

logger = logging.getLogger(__name__)

USE = "use-token"
LOGIN = "login"
_OVER = "the token is unknown, over, or used up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks of a new token; spans in seconds, None for what the policy says."""

    ttl_s: int | None = None
    max_ttl_s: int | None = None
    uses: int | None = None
    renewable: bool = True
    display_name: str = ""
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A new token with its text, which exists nowhere else."""

    token: Token
    text: Secret
    warnings: tuple[str, ...] = ()


class Tokens:
    """Carries out the verbs. `changed` is set when a token comes or ends."""

    def __init__(self, access: Access, store: TokenStore, clock: Clock) -> None:
        self.clock = clock
        self.claims = Claims()
        self.changed = asyncio.Event()
        self._access = access
        self._store = store

    async def speaker(self, peer: Caller, text: str, path: str) -> Caller:
        """Who speaks at `path` by the token `text`, which has one use less then. Raises Denied.

        On this host the kernel says who asks, and a text that is no token of ours means nothing.
        """
        if not text or (peer.tls is None and not text.startswith(life.OURS)):
            return peer
        line = await self._store.line(life.digest(text))
        if life.stands(line, self.clock.now_ms()):
            token = line[0]
            if token.uses is None or await self._use(token.accessor):
                return replace(
                    token.facts,
                    pid=peer.pid,
                    request=peer.request,
                    token=token.accessor,
                    peer=peer.address,
                )
        raise await self._access.denied(peer, path, USE, _OVER)

    async def _use(self, accessor: str) -> bool:
        """Count one use down; false when none is left."""
        async with self.claims.of(accessor):
            line = await self._store.line_of(accessor)
            if not life.stands(line, self.clock.now_ms()) or line[0].uses == 0:
                return False
            await self._store.write(TokenChange(old=line[0], new=life.use(line[0])))
            return True

    async def issue(
        self, caller: Caller, facts: Caller, path: str, wish: Wish, parent: Token | None = None
    ) -> IssuedToken:
        """Make a token that bears `facts`, at the wish of `caller`; below `parent` if there is one.

        Raises Denied for facts that are no identity of the served policy, or a parent that is over.
        """
        identities = self._access.identities(facts)
        if not identities:
            raise await self._access.denied(caller, path, LOGIN, STRANGER)
        if parent is not None and parent.depth >= life.DEEPEST:
            raise Invalid(f"tokens stand {life.DEEPEST} below each other; log in for a new one")
        limits, now_ms = self._access.generation().bundle.tokens, self.clock.now_ms()
        max_s = min(limits.max_ttl_s, wish.max_ttl_s or limits.max_ttl_s)
        if parent is not None:
            max_s = min(max_s, (parent.expires_ms - now_ms) // 1000)
        if max_s <= 0:
            raise Invalid("the token that asks is at its end; renew it, or log in again")
        granted = ttl.grant(wish.ttl_s, default_s=min(limits.default_ttl_s, max_s), max_s=max_s)
        text = life.new_text()
        token = Token(
            accessor=life.new_accessor(),
            hash=life.digest(text.reveal()),
            facts=facts,
            path=path,
            display_name=wish.display_name,
            issued_ms=now_ms,
            ttl_ms=granted.ttl_s * 1000,
            expires_ms=now_ms + granted.ttl_s * 1000,
            max_expires_ms=now_ms + max_s * 1000,
            next_ms=now_ms + granted.ttl_s * 1000,
            parent="" if parent is None else parent.accessor,
            depth=0 if parent is None else parent.depth + 1,
            renewable=wish.renewable,
            uses=wish.uses,
            meta=wish.meta,
        )
        grounds = self._access.grounds(caller, path, LOGIN, "whoever is an identity may have one")
        told = self._told(EventType.TOKEN_ISSUED, token, caller, ttl=f"{granted.ttl_s}s", **grounds)
        async with nullcontext() if parent is None else self.claims.of(parent.accessor):
            await self._store.write(TokenChange(old=None, new=token, events=(told,)))
        self.changed.set()
        return IssuedToken(token=token, text=text, warnings=granted.warnings)

    async def find(self, text: str) -> Token | None:
        """The token with this text, if it may be used; that is no use of it."""
        return self._standing(await self._store.line(life.digest(text)))

    async def find_by_accessor(self, accessor: str) -> Token | None:
        """The token called `accessor`, if it may be used."""
        return self._standing(await self._store.line_of(accessor))

    def _standing(self, line: Sequence[Token]) -> Token | None:
        return line[0] if life.stands(line, self.clock.now_ms()) else None

    async def page(self, after: str, limit: int) -> Sequence[Token]:
        """Tokens that are not over, in order of accessors behind `after`."""
        return await self._store.page(after, limit)

    def owns(self, caller: Caller, token: Token) -> bool:
        """Whether the token is the caller's: the one it speaks by, or one of its identities'."""
        return self.is_of(token, caller.token, self._access.names(caller))

    def is_of(self, token: Token, accessor: str, identities: Collection[str]) -> bool:
        """The same of a caller with these identities that speaks by the token `accessor`."""
        of_token = self._access.names(token.facts)
        return token.accessor == accessor or any(name in identities for name in of_token)

    async def renew(
        self, caller: Caller, accessor: str, increment_s: int | None
    ) -> tuple[Token, tuple[str, ...]]:
        """Move the token's end to `increment_s` seconds from now; with what to tell of it.

        Raises Invalid when it is over, not renewable, or past its maximum.
        """
        async with self.claims.of(accessor):
            token = await self.find_by_accessor(accessor)
            if token is None:
                raise Invalid("token not found")
            if not token.renewable:
                raise Invalid("lease is not renewable")
            now_ms = self.clock.now_ms()
            max_s = self._access.generation().bundle.tokens.max_ttl_s
            granted = ttl.extend(
                increment_s,
                default_s=min(token.ttl_ms // 1000, max_s),
                max_s=max_s,
                elapsed_s=(now_ms - token.issued_ms) // 1000,
                left_s=(token.max_expires_ms - now_ms) // 1000,
            )
            new = life.renew(token, now_ms, now_ms + granted.ttl_s * 1000)
            until = rfc3339(self.clock.wall(new.expires_ms))
            told = self._told(EventType.TOKEN_RENEWED, new, caller, expires=until)
            await self._store.write(TokenChange(old=token, new=new, events=(told,)))
            self.changed.set()
            return new, granted.warnings

    async def end(
        self,
        accessor: str,
        cause: Cause,
        caller: Caller | None = None,
        *,
        spare_children: bool = False,
    ) -> None:
        """End a token now, durably; what hangs on it follows. One that is over stays so."""
        async with self.claims.of(accessor):
            while spare_children and (page := await self._store.children(accessor, 100)):
                for child in page:
                    await self._orphan(child)
            line = await self._store.line_of(accessor)
            if line and line[0].cause is None:
                await self.write_end(line[0], cause, caller)
        hit("token.ended")
        self.changed.set()

    async def write_end(self, token: Token, cause: Cause, caller: Caller | None = None) -> Token:
        """Write down that a token, whose claim the caller holds, is over."""
        kind = EventType.TOKEN_EXPIRED if cause is Cause.TTL else EventType.TOKEN_REVOKED
        new = life.end(token, self.clock.now_ms(), cause)
        told = self._told(kind, new, caller, cause=cause)
        change = TokenChange(old=token, new=new, events=(told,), may_delay_audit=True)
        await self._store.write(change)
        return new

    async def _orphan(self, child: Token) -> None:
        async with self.claims.of(child.accessor):
            line = await self._store.line_of(child.accessor)
            if line and line[0].cause is None:
                await self._store.write(TokenChange(old=line[0], new=life.orphan(line[0])))

    async def undelivered(self, token: Token) -> None:
        """End a token whose text could not be handed over (rule W8)."""
        try:
            await self.end(token.accessor, Cause.UNDELIVERED)
        except LeaseholdError as trouble:
            logger.error("token %s was not delivered and stands: %s", token.accessor, trouble)

    def _told(self, kind: EventType, token: Token, caller: Caller | None, **more: str) -> Event:
        about = {"about": f"token:{token.accessor}", "display_name": token.display_name}
        if token.parent:
            about["parent"] = token.parent
        return Event.new(kind, self.clock.now_ms(), None, caller=caller, **about, **more)
