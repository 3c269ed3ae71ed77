"""Sealing: from an operator's word to a daemon that has forgotten its key, and back.

First nothing is issued any more, then the store says that it is sealed and the flag is put, then
the daemon stops and begins anew without its key. Whatever kills it on the way, it comes out sealed:
a store that says so puts the flag again. Only unsealing takes both away, the store's word first.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from leasehold.access import Access
from leasehold.background import Background
from leasehold.clock import Clock
from leasehold.errors import Unavailable
from leasehold.keys.keyfile import Key
from leasehold.keys.sealflag import SealFlag
from leasehold.leases.freeze import Freeze
from leasehold.leases.store import Document, LeaseStore
from leasehold.model import Caller, Event, EventType
from leasehold.policy.decide import Allowed
from leasehold.reconcile.reasons import checked_reason

logger = logging.getLogger(__name__)

PATH, VERB = "leasehold/seal", "operate"
KIND = NAME = "seal"
UNSEALED = "unsealed"
PAGE = 500


class Sealing:
    """Seals once; `done` says whether it did.

    `forget` drops what is remembered of credentials, `stop` has the daemon stop.
    """

    def __init__(
        self,
        access: Access,
        store: LeaseStore,
        clock: Clock,
        freeze: Freeze,
        flag: SealFlag,
        background: Background,
        forget: Callable[[], None],
        stop: Callable[[], None],
    ) -> None:
        self._access = access
        self._store = store
        self._clock = clock
        self._freeze = freeze
        self._flag = flag
        self._background = background
        self._forget = forget
        self._stop = stop
        self.done = False

    async def seal(self, caller: Caller, reason: str, *, must_say: bool) -> None:
        """Seal for good, also when the caller hangs up; `must_say` asks for a reason.

        Raises Denied, Invalid, Unavailable.
        """
        allowed = await self._access.require(caller, PATH, VERB)
        said = checked_reason(reason, must=must_say)
        await self._background.finish(self._seal(caller, said, allowed))

    async def _seal(self, caller: Caller, reason: str, allowed: Allowed) -> None:
        self._freeze.everything = True
        self._forget()
        now_ms, by = self._clock.now_ms(), allowed.identity.name
        told = Event.new(
            EventType.DAEMON_SEALED,
            now_ms,
            None,
            caller=caller,
            reason=reason,
            by=by,
            **self._access.grounds(caller, PATH, VERB, allowed.rule),
        )
        sealed = Document(KIND, NAME, {"at_ms": now_ms, "by": by, "reason": reason})
        try:
            await self._store.keep([sealed], told, may_delay_audit=True)
        except Unavailable as trouble:
            self._freeze.everything = self.done
            raise Unavailable(
                f"not sealed: {trouble}; end the daemon's process to have it forget its key"
            ) from trouble
        try:
            await asyncio.to_thread(self._flag.put)
        except OSError as error:  # whoever starts with this store puts it, or does not start
            logger.error("the seal's flag was not put (%s)", error.strerror)
        logger.warning("sealed by %s: stopping, to begin anew without the key", caller.who)
        self.done = True
        self._stop()


@dataclass(frozen=True, slots=True)
class Unsealing:
    """The key that the daemon starts with now, and who presented it or had it read."""

    key: Key
    caller: Caller


async def may_serve(
    store: LeaseStore, clock: Clock, flag: SealFlag, unsealing: Unsealing | None
) -> bool:
    """Whether the daemon that has just opened its store may go on, or is sealed.

    Unsealing is made durable, and told with how long it was sealed and what came due meanwhile.
    Raises Unavailable, also when the store's word cannot be read; OSError.
    """
    sealed, now_ms = await store.document(KIND, NAME), clock.now_ms()
    unsealed = Document(KIND, UNSEALED, {"at_ms": now_ms})
    if sealed is None or sealed.value is None:
        if unsealing is not None:
            await store.keep([unsealed])
            await asyncio.to_thread(flag.remove)
        return True
    if unsealing is None:
        logger.error("the store says sealed and the flag is gone: sealing again; run unseal")
        await asyncio.to_thread(flag.put)
        return False
    since_ms = int(sealed.value["at_ms"])
    due = await _due(store, since_ms, now_ms)
    seconds = max(0, now_ms - since_ms) // 1000
    told = Event.new(
        EventType.DAEMON_UNSEALED,
        now_ms,
        None,
        caller=unsealing.caller,
        seconds=str(seconds),
        due=str(due),
    )
    await store.keep([Document(KIND, NAME, None), unsealed], told)
    await asyncio.to_thread(flag.remove)
    who = unsealing.caller.who
    logger.warning(
        "unsealed by %s after %d s; %d leases came due meanwhile and end now", who, seconds, due
    )
    return True


async def unsealed_ms(store: LeaseStore) -> int:
    """When the daemon was unsealed last, in lease time; 0 for never. Raises Unavailable."""
    unsealed = await store.document(KIND, UNSEALED)
    return int(unsealed.value["at_ms"]) if unsealed is not None and unsealed.value else 0


async def _due(store: LeaseStore, since_ms: int, now_ms: int) -> int:
    """How many leases should have ended since then and have not."""
    found = 0
    for engine in await store.live_engines():
        page = await store.due(engine, now_ms, PAGE)
        while page:
            found += sum(since_ms < lease.expires_ms <= now_ms for lease in page)
            page = await store.due(engine, now_ms, PAGE, page[-1])
    return found
