"""Responses that wait to be unwrapped, once, by whoever has the wrapping token.

A response holds a credential, so it is kept in memory only and nowhere written. What it would hand
over is noted in the store: the lease, token or secret id that nobody can get any more when the
daemon dies or the time is over. What is noted and not in memory is lost, and is revoked.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from leasehold.clock import Clock
from leasehold.ending import Ending
from leasehold.errors import Invalid, LeaseholdError, LimitReached, Unavailable
from leasehold.leases import tokens as life
from leasehold.leases.store import Document, LeaseStore
from leasehold.model import Caller, Cause, Event, EventType
from leasehold.secret import Secret
from leasehold.tokens.secret_ids import SecretIds
from leasehold.tokens.tokens import Tokens

logger = logging.getLogger(__name__)

KIND = "wrapped"
LONGEST_S = 86_400
MOST = 512
"""How many may wait of one caller."""
MOST_BYTES = 64 << 20
MOST_BYTES_EACH = MOST_BYTES // 8
"""How much may wait of all callers, and of one."""
TICK_S = 1.0
BAD = "wrapping token is not valid or does not exist"

After = Callable[[], Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapped:
    """A response that waits: to what at `path`, `by` whom it was wrapped.

    `delivered` is awaited when it has been handed over, `undelivered` when it cannot be.
    """

    accessor: str
    by: str
    body: Secret
    path: str
    created_ms: int
    ttl_s: int
    note: Mapping[str, str]
    undelivered: After | None = None
    delivered: Sequence[After] = ()

    @property
    def expires_ms(self) -> int:
        """When it is lost."""
        return self.created_ms + self.ttl_s * 1000

    def response(self) -> dict[str, Any]:
        """What was wrapped."""
        found: dict[str, Any] = json.loads(self.body.reveal())
        return found


class Wrapping:
    """Keeps responses by the hash of their wrapping tokens."""

    def __init__(
        self,
        store: LeaseStore,
        clock: Clock,
        ending: Ending,
        tokens: Tokens,
        secret_ids: SecretIds,
    ) -> None:
        self.clock = clock
        self._store = store
        self._ending = ending
        self._tokens = tokens
        self._secret_ids = secret_ids
        self._waiting: dict[str, Wrapped] = {}
        self._lost: dict[str, Mapping[str, str]] = {}

    async def start(self) -> None:
        """Count as lost what another process had wrapped."""
        try:
            notes = await self._store.documents(KIND)
        except Unavailable as damage:  # the leases end by themselves
            logger.error("what was wrapped before this start is not known: %s", damage)
            return
        self._lost |= {note.name: note.value or {} for note in notes}

    async def wrap(
        self,
        caller: Caller,
        path: str,
        ttl_s: int,
        body: Mapping[str, Any],
        undelivered: After | None = None,
        delivered: Sequence[After] = (),
        secret_id: str = "",
    ) -> tuple[Secret, Wrapped]:
        """Keep `body` for `ttl_s` seconds; returns the wrapping token. Raises LimitReached.

        `secret_id` is the accessor of one that it hands over. A body does not tell: anybody may
        have one wrapped that looks so.
        """
        text = json.dumps(body)
        self._check_room(caller, len(text))
        lease_id, auth = body.get("lease_id"), body.get("auth") or {}
        note = {"lease_id": lease_id, "token": auth.get("accessor"), "secret_id": secret_id}
        wrapped = Wrapped(
            accessor=life.new_accessor(),
            by=caller.who,
            body=Secret(text),
            path=path,
            created_ms=self.clock.now_ms(),
            ttl_s=min(ttl_s, LONGEST_S),
            note={name: value for name, value in note.items() if value},
            undelivered=undelivered,
            delivered=delivered,
        )
        return await self._keep(caller, wrapped), wrapped

    def _check_room(self, caller: Caller, size: int) -> None:
        """Raise LimitReached when there is no room for `size` bytes more of this caller."""
        sizes = [(each.by, len(each.body.reveal())) for each in self._waiting.values()]
        own = [each for by, each in sizes if by == caller.who]
        if len(own) >= MOST or sum(own) + size > MOST_BYTES_EACH:
            raise LimitReached(
                f"{len(own)} responses of yours with {sum(own)} bytes wait to be unwrapped;"
                f" allowed are {MOST} with {MOST_BYTES_EACH}; unwrap some"
            )
        if sum(each for _, each in sizes) + size > MOST_BYTES:
            raise LimitReached("the responses of others that wait to be unwrapped fill the room")

    async def _keep(self, caller: Caller, wrapped: Wrapped, old: Wrapped | None = None) -> Secret:
        """Have `wrapped` wait, in the place of `old` if that is given."""
        token = life.new_text(life.WRAPPING_PREFIX)
        notes = [Document(KIND, wrapped.accessor, wrapped.note)] if wrapped.note else []
        if old is not None and old.note:
            notes.append(Document(KIND, old.accessor, None))
        told = self._told(EventType.RESPONSE_WRAPPED, wrapped, caller, ttl=f"{wrapped.ttl_s}s")
        await self._store.keep(notes, told)
        self._waiting[life.digest(token.reveal())] = wrapped
        return token

    async def unwrap(self, caller: Caller, text: str) -> Wrapped:
        """The response, which is gone from here then. Raises Invalid."""
        key, wrapped = self._find(text)
        del self._waiting[key]  # first of all, so that of two who ask one gets it
        try:
            told = self._told(EventType.RESPONSE_UNWRAPPED, wrapped, caller)
            notes = [Document(KIND, wrapped.accessor, None)] if wrapped.note else []
            await self._store.keep(notes, told)
        except BaseException:
            self._waiting[key] = wrapped  # nobody has it yet
            raise
        return wrapped

    def look(self, text: str) -> Wrapped:
        """The response without unwrapping it. Raises Invalid."""
        return self._find(text)[1]

    async def rewrap(self, caller: Caller, text: str) -> tuple[Secret, Wrapped]:
        """Exchange a wrapping token for a new one with the same time to live. Raises Invalid."""
        key, old = self._find(text)
        del self._waiting[key]
        new = replace(old, accessor=life.new_accessor(), created_ms=self.clock.now_ms())
        try:
            return await self._keep(caller, new, old), new
        except BaseException:
            self._waiting[key] = old
            raise

    async def undelivered(self, text: Secret) -> None:
        """Revoke what is wrapped by a token that could not be handed over (rule W8)."""
        wrapped = self._waiting.pop(life.digest(text.reveal()), None)
        if wrapped is not None:
            self._lose(wrapped)
            await self.sweep()

    def _find(self, text: str) -> tuple[str, Wrapped]:
        key = life.digest(text)
        wrapped = self._waiting.get(key)
        if wrapped is None or self.clock.now_ms() >= wrapped.expires_ms:
            raise Invalid(BAD)
        return key, wrapped

    async def run(self) -> None:
        """Revoke what is lost; never returns."""
        while True:
            await self.sweep()
            await asyncio.sleep(TICK_S)

    async def sweep(self) -> None:
        """Revoke what nobody can get any more; what cannot be revoked is tried again."""
        now_ms = self.clock.now_ms()
        for key, wrapped in [*self._waiting.items()]:
            if now_ms >= wrapped.expires_ms:
                del self._waiting[key]
                self._lose(wrapped)
        for accessor, note in [*self._lost.items()]:
            try:
                await self._revoke(accessor, note)
            except LeaseholdError as trouble:
                logger.error("what response %s holds is not revoked yet: %s", accessor, trouble)
            else:
                self._lost.pop(accessor, None)

    def _lose(self, wrapped: Wrapped) -> None:
        if wrapped.note:
            self._lost[wrapped.accessor] = wrapped.note

    async def _revoke(self, accessor: str, note: Mapping[str, str]) -> None:
        if "lease_id" in note:
            await self._ending.end(note["lease_id"], Cause.UNDELIVERED, wait=False)
        if "token" in note:
            await self._tokens.end(note["token"], Cause.UNDELIVERED)
        if "secret_id" in note:
            await self._secret_ids.end_undelivered(note["secret_id"])
        told = Event.new(
            EventType.RESPONSE_LOST,
            self.clock.now_ms(),
            None,
            caller=None,
            about=f"response:{accessor}",
            why="nobody unwrapped it in time",
            **note,
        )
        await self._store.keep([Document(KIND, accessor, None)], told)

    def _told(self, kind: EventType, wrapped: Wrapped, caller: Caller, **more: str) -> Event:
        about = {"about": f"response:{wrapped.accessor}", "path": wrapped.path, **wrapped.note}
        return Event.new(kind, self.clock.now_ms(), None, caller=caller, **about, **more)
