"""What ends with a token: its children, and the leases that were made by it.

No token has a timer. One task asks the store what is due: tokens whose time has come, and those
that somebody ended. A row goes when nothing hangs on it any more; until then, also after a crash,
it is due and tried again.
"""

import asyncio
import logging

from leasehold.ending import Ending
from leasehold.errors import LeaseholdError
from leasehold.failpoints import hit
from leasehold.leases.store import LeaseStore
from leasehold.leases.token_store import TokenChange, TokenStore
from leasehold.leases.tokens import Token
from leasehold.loops import all_of
from leasehold.model import Cause
from leasehold.tokens.tokens import Tokens

logger = logging.getLogger(__name__)

PAGE = 200
TICK_S = 1.0
"""asyncio's timers stop when the machine is suspended, the tokens' clock does not (rule C7)."""
BUSY_S = 0.05


class TokenSweep:
    """Ends tokens that are due, and what hangs on them."""

    def __init__(
        self, tokens: Tokens, store: TokenStore, leases: LeaseStore, ending: Ending
    ) -> None:
        self._tokens = tokens
        self._store = store
        self._leases = leases
        self._ending = ending

    async def run(self) -> None:
        """Sweep whenever something is due; never returns."""
        while True:
            self._tokens.changed.clear()
            try:
                await self.sweep()
                next_ms = await self._store.next_ms()
                wait_s = None if next_ms is None else self._wait_s(next_ms)
            except LeaseholdError as trouble:
                logger.error("tokens cannot be ended: %s", trouble)
                wait_s = TICK_S
            except Exception:
                # The guard of this task: whatever is wrong with one round, tokens must end.
                logger.exception("tokens cannot be ended: a defect of leasehold")
                wait_s = TICK_S
            try:
                async with asyncio.timeout(wait_s):
                    await self._tokens.changed.wait()
            except TimeoutError:
                continue

    def _wait_s(self, next_ms: int) -> float:
        return min(max((next_ms - self._tokens.clock.now_ms()) / 1000, BUSY_S), TICK_S)

    async def sweep(self) -> None:
        """End all that is due now. One token that cannot be ended does not keep the others."""
        tried: set[str] = set()
        while True:
            due = await self._store.due(self._tokens.clock.now_ms(), PAGE)
            fresh = [token for token in due if token.accessor not in tried]
            if not fresh:
                return
            tried.update(token.accessor for token in fresh)
            results = await asyncio.gather(
                *(self._finish(token.accessor) for token in fresh), return_exceptions=True
            )
            for token, trouble in zip(fresh, results, strict=True):
                if isinstance(trouble, LeaseholdError):
                    logger.warning("token %s is not yet gone: %s", token.accessor, trouble)
                elif isinstance(trouble, BaseException):
                    raise trouble

    async def _finish(self, accessor: str) -> None:
        async with self._tokens.claims.of(accessor):
            line = await self._store.line_of(accessor)
            if not line or line[0].next_ms > self._tokens.clock.now_ms():
                return  # gone, or renewed meanwhile
            token = line[0]
            if token.cause is None:
                token = await self._tokens.write_end(token, Cause.TTL)
        await self._end_children(token)
        await self._end_leases(token)
        await self._store.write(TokenChange(old=token, new=None, may_delay_audit=True))

    async def _end_children(self, token: Token) -> None:
        while children := await self._store.children(token.accessor, PAGE):
            await all_of(self._tokens.end(child.accessor, Cause.TOKEN) for child in children)

    async def _end_leases(self, token: Token) -> None:
        """Hand its leases to revocation, which is tried for ever; a new one is refused by now."""
        while leases := await self._leases.held_by(token.holder, PAGE):
            hit("token.leases")
            await all_of(self._ending.end(it.id, Cause.TOKEN, wait=False) for it in leases)
