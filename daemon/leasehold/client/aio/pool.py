"""A pool of connections that never runs out of credential, as `leasehold.client.pool`, for asyncio.

adapter = AsyncPsycopgPool("host=db dbname=app")
async with AsyncDynamicPool(AsyncClient(), "database/creds/app", adapter) as pool:
    async with pool.connection() as connection:
        await connection.execute("SELECT 1")
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from math import inf
from types import TracebackType
from typing import Generic, Self, TypeVar

from leasehold.client.aio.client import AsyncClient
from leasehold.client.aio.credential import give_up, go_over, take_step
from leasehold.client.held import LONGEST_WAIT_S, chance, now_s
from leasehold.client.replies import IssuedCredential
from leasehold.client.succession import (
    Act,
    AsyncAdapter,
    Generation,
    Succession,
    adapters_fault,
)
from leasehold.client.term import DOUBT_S, CredentialLost
from leasehold.errors import Invalid

P = TypeVar("P")
C = TypeVar("C")

logger = logging.getLogger(__name__)


class AsyncDynamicPool(Generic[P, C]):
    """Connections with credentials of `path`, of a life of `ttl`; for the tasks of one loop.

    Each is asked for with `fields`, such as a reason.
    A checkout waits up to `wait_s` while there is no credential. Leaving the block waits up to
    `grace_s` for connections that are in use. It is entered and left by one task.
    """

    def __init__(
        self,
        client: AsyncClient,
        path: str,
        adapter: AsyncAdapter[P, C],
        *,
        ttl: str | int | None = None,
        fields: Mapping[str, str] | None = None,
        wait_s: float = 30.0,
        grace_s: float = 10.0,
    ) -> None:
        self._client = client
        self._path = path
        self._adapter = adapter
        self._ttl = ttl
        self._fields = fields
        self._wait_s = wait_s
        self._grace_s = grace_s
        self._closes_at = inf
        self._changed = asyncio.Condition()
        self._succession: Succession[P] = Succession(path)
        self._tasks = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Get the first credential. Raises what `read` does, Unavailable for the target."""
        self._succession.swap(await self._make())
        self._group = await self._tasks.enter_async_context(asyncio.TaskGroup())
        self._group.create_task(self._keep(), name=f"leasehold pool {self._path}")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        async with self._changed:
            self._closes_at = now_s() + self._grace_s
            self._changed.notify_all()
        await self._tasks.aclose()  # the keeper retires the last generation when it ends

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[C]:
        """A connection for the length of a block; how a transaction ends is the driver's way.

        Raises CredentialLost when there is no credential for `wait_s`, else what the driver does.
        """
        async with contextlib.AsyncExitStack() as block:
            generation, connection = await self._checkout(block)
            try:
                yield connection
            except self._adapter.broken:
                await self._doubt(generation)
                raise

    async def _checkout(self, block: contextlib.AsyncExitStack) -> tuple[Generation[P], C]:
        deadline = now_s() + self._wait_s
        while True:
            generation = await self._enter(deadline)
            async with contextlib.AsyncExitStack() as attempt:
                attempt.push_async_callback(self._leave, generation)
                try:
                    checkout = self._adapter.checkout(generation.opened)
                    connection = await attempt.enter_async_context(checkout)
                except self._adapter.broken:
                    await self._doubt(generation)
                    if await self._stands(generation, deadline):
                        raise
                    continue
                await block.enter_async_context(attempt.pop_all())
                return generation, connection

    async def _enter(self, deadline: float) -> Generation[P]:
        async with self._changed:
            while (generation := self._succession.usable(now_s())) is None or self._closing():
                if self._closing():
                    raise CredentialLost(f"{self._path}: the pool is closed")
                if now_s() >= deadline:
                    raise self._succession.lost()
                await self._wait_until(min(deadline, now_s() + DOUBT_S))
            generation.users += 1
            return generation

    async def _leave(self, generation: Generation[P]) -> None:
        generation.users -= 1
        async with self._changed:
            self._changed.notify_all()

    async def _doubt(self, generation: Generation[P]) -> None:
        generation.term = generation.term.doubted(now_s())
        async with self._changed:
            self._changed.notify_all()

    async def _stands(self, generation: Generation[P], deadline: float) -> bool:
        """Whether it is still the one in use, as far as the daemon can be asked."""
        async with self._changed:
            while self._succession.undecided(generation, now_s()):
                if now_s() >= deadline or self._closing():
                    break
                await self._wait_until(min(deadline, now_s() + DOUBT_S))
            return self._succession.stands(generation)

    def _closing(self) -> bool:
        return self._closes_at < inf

    async def _wait_until(self, deadline: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(deadline - now_s(), LONGEST_WAIT_S))):
                await self._changed.wait()

    async def _keep(self) -> None:
        while (act := await self._next()) is not None:
            generation = self._succession.current
            if act is Act.RETIRE:
                await self._swap(None)
            elif act is Act.SEE_TO and generation is not None:
                generation.term = await take_step(
                    self._client, generation.lease_id, generation.term
                )
                async with self._changed:
                    self._changed.notify_all()
            else:
                try:
                    await self._swap(await self._make())
                except Exception as error:  # an adapter's too: the keeper must not end of it
                    told = adapters_fault(error)
                    logger.warning("%s: no new credential yet: %s", self._path, told)
                    self._succession.failed(told, now_s(), chance())
        await self._swap(None)

    async def _next(self) -> Act | None:
        """Wait for the next thing to do; None when the pool is to be closed."""
        async with self._changed:
            while not self._closing():
                act, left_s = self._succession.act(now_s())
                if left_s <= 0:
                    return act
                await self._wait_until(now_s() + left_s)
            return None

    async def _make(self) -> Generation[P]:
        asked_at = now_s()
        issued = await self._issued()
        try:
            return Generation(issued, asked_at, await self._adapter.open(issued.fields))
        except BaseException:
            await give_up(self._client, issued.lease_id)
            raise

    async def _issued(self) -> IssuedCredential:
        """The next credential: in the place of the current one, where the daemon does that."""
        current = self._succession.replaceable(now_s())
        if current is not None:
            try:
                return await self._client.replace(current.lease_id, self._ttl, fields=self._fields)
            except Invalid as error:
                logger.info("%s: asked for anew: %s", self._path, error)
        return await self._client.read(self._path, self._ttl, fields=self._fields)

    async def _swap(self, successor: Generation[P] | None) -> None:
        async with self._changed:
            retired = self._succession.swap(successor)
            self._changed.notify_all()
        if retired is not None:
            self._group.create_task(self._retire(retired), name=f"leasehold {retired.lease_id}")

    async def _retire(self, generation: Generation[P]) -> None:
        async with self._changed:
            while generation.users and not generation.term.over:
                until = min(generation.term.ends, self._closes_at)
                if now_s() >= until:
                    break
                await self._wait_until(until)
        try:
            await self._adapter.close(generation.opened)
        except Exception as error:
            logger.warning("%s: the old pool: %s", self._path, adapters_fault(error))
        if generation.successor:
            await go_over(self._client, generation.successor)
        elif not generation.term.over:
            await give_up(self._client, generation.lease_id)
