"""A credential for the length of an `async with` block, as in `leasehold.client.credential`."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from leasehold.client.current import Current
from leasehold.client.held import LONGEST_WAIT_S, OnLost, Outcome, after, chance, now_s
from leasehold.client.succession import Act, Generation
from leasehold.client.term import Step, Term
from leasehold.errors import Invalid, LeaseholdError

if TYPE_CHECKING:
    from leasehold.client.aio.client import AsyncClient

logger = logging.getLogger(__name__)

OnReplaced = Callable[["AsyncHeldCredential"], Awaitable[object]]
"""Is told of a credential that it has become another."""


class Asking:
    """What a block asks for, at first and again."""

    def __init__(
        self,
        client: "AsyncClient",
        path: str,
        ttl: str | int | None,
        fields: Mapping[str, str] | None,
    ) -> None:
        self.client = client
        self.path = path
        self._ttl = ttl
        self._fields = fields

    async def next(
        self, current: Generation[contextlib.AsyncExitStack] | None
    ) -> Generation[contextlib.AsyncExitStack]:
        """A credential, in the place of `current` where the daemon does that."""
        asked_at, connection = now_s(), contextlib.AsyncExitStack()
        if current is not None:
            asked = self.client.replacing(current.lease_id, self._ttl, fields=self._fields)
            try:
                issued = await connection.enter_async_context(asked)
                return Generation(issued, asked_at, connection)
            except Invalid as error:
                logger.info("%s: asked for anew: %s", self.path, error)
        asked = self.client.holding(self.path, self._ttl, fields=self._fields)
        return Generation(await connection.enter_async_context(asked), asked_at, connection)


class AsyncHeldCredential(Current[contextlib.AsyncExitStack]):
    """The credential of a block."""

    def __init__(
        self,
        asking: Asking,
        first: Generation[contextlib.AsyncExitStack],
        on_lost: OnLost | None,
        on_replaced: OnReplaced | None,
    ) -> None:
        super().__init__(asking.path, first, last=on_replaced is None)
        self._asking = asking
        self._client = asking.client
        self._on_lost = on_lost
        self._on_replaced = on_replaced

    async def acknowledge(self) -> None:
        """Say that the new credential is in use, so that the one before it ends now.

        What fails is logged: that one ends by itself.
        """
        for old in self._retired():
            if old.successor:
                await go_over(self._client, old.successor)
            elif old.term.alive(now_s()):
                await give_up(self._client, old.lease_id)
            await old.opened.aclose()

    @contextlib.asynccontextmanager
    async def _kept(self) -> AsyncIterator["AsyncHeldCredential"]:
        """Keep it alive by a task for the length of a block."""
        tasks = contextlib.AsyncExitStack()
        group = await tasks.enter_async_context(asyncio.TaskGroup())
        tending = group.create_task(self._tend(), name=f"lease of {self._asking.path}")
        try:
            yield self
        finally:
            tending.cancel()
            try:
                await (
                    tasks.aclose()
                )  # not as a block of its own: the group would wrap the block's error
            finally:
                await self.acknowledge()
                if not self.term.over:
                    await give_up(self._client, self.lease_id)
                await self._now.opened.aclose()

    async def _tend(self) -> None:
        while True:
            act = await self._next()
            if act is Act.RETIRE:
                self._lose()
                return
            if act is Act.SEE_TO:
                self._now.term = await take_step(self._client, self.lease_id, self.term)
            elif act is Act.WARN:
                logger.warning("%s", self._last_words())
            else:
                await self._replace()

    async def _next(self) -> Act:
        """Wait for the next thing to do."""
        act, left_s = self._succession.act(now_s())
        while left_s > 0:
            await asyncio.sleep(min(left_s, LONGEST_WAIT_S))
            act, left_s = self._succession.act(now_s())
        return act

    def _lose(self) -> None:
        error = self._now.lost()
        logger.warning("%s", error)
        if self._on_lost is not None:
            self._on_lost(error)

    async def _replace(self) -> None:
        try:
            self._swap(await self._asking.next(self._succession.replaceable(now_s())))
        except LeaseholdError as error:
            logger.warning("%s: no new credential yet: %s", self._asking.path, error)
            self._succession.failed(error, now_s(), chance())
            return
        try:
            if self._on_replaced is not None:
                await self._on_replaced(self)
        except Exception as error:  # the user's own, and the lease is to be kept all the same
            logger.warning("%s: on_replaced failed (%s)", self._asking.path, type(error).__name__)


@contextlib.asynccontextmanager
async def held(
    asking: Asking, on_lost: OnLost | None, on_replaced: OnReplaced | None
) -> AsyncIterator[AsyncHeldCredential]:
    """A new credential, kept alive until the block is left."""
    made = AsyncHeldCredential(asking, await asking.next(None), on_lost, on_replaced)
    async with made._kept() as credential:
        yield credential


async def take_step(client: "AsyncClient", lease_id: str, term: Term) -> Term:
    """Do what is due for the lease: what is known of it then. Errors become part of that."""
    asked_at = now_s()
    outcome: Outcome
    try:
        if term.step is Step.LOOK:
            outcome = (await client.lookup(lease_id))["ttl"], True
        else:
            renewed = await client.renew(lease_id, term.asked_s)
            outcome = renewed.ttl_s, renewed.renewable
    except LeaseholdError as error:
        logger.warning("lease %s: %s: %s", lease_id, term.step.value, error)
        outcome = error
    return after(term, outcome, asked_at)


async def go_over(client: "AsyncClient", lease_id: str) -> None:
    """Say that a lease took the place of the one before. What fails is logged: that one ends."""
    try:
        await client.acknowledge_lease(lease_id)
    except LeaseholdError as error:
        logger.warning("what lease %s replaced is left to end by itself: %s", lease_id, error)


async def give_up(client: "AsyncClient", lease_id: str) -> None:
    """Revoke a lease that is not used any more. What fails is logged: it ends by itself."""
    try:
        await client.revoke(lease_id)
    except LeaseholdError as error:
        logger.warning("lease %s is left to end by itself: %s", lease_id, error)
