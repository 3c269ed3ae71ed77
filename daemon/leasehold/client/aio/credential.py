"""A credential for the length of an `async with` block, as in `leasehold.client.credential`."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from leasehold.client.held import HeldCredential, OnLost, Outcome, after, now_s
from leasehold.client.term import Step, Term
from leasehold.errors import LeaseholdError

if TYPE_CHECKING:
    from leasehold.client.aio.client import AsyncClient

logger = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def held(
    client: "AsyncClient",
    path: str,
    ttl: str | int | None,
    on_lost: OnLost | None,
    fields: Mapping[str, str] | None,
) -> AsyncIterator[HeldCredential]:
    """A new credential at `path`, kept alive by a task until the block is left."""
    asked_at = now_s()
    async with client.holding(path, ttl, fields=fields) as issued:
        credential = HeldCredential(issued, asked_at)
        tasks = contextlib.AsyncExitStack()
        group = await tasks.enter_async_context(asyncio.TaskGroup())
        tending = group.create_task(_tend(client, credential, on_lost), name=f"lease of {path}")
        try:
            yield credential
        finally:
            tending.cancel()
            try:
                await (
                    tasks.aclose()
                )  # not as a block of its own: the group would wrap the block's error
            finally:
                if not credential.term.over:
                    await give_up(client, credential.lease_id)


async def _tend(client: "AsyncClient", credential: HeldCredential, on_lost: OnLost | None) -> None:
    while True:
        await asyncio.sleep(credential.idle_s())
        if not credential.term.alive(now_s()):
            logger.warning("%s", credential.lost())
            if on_lost is not None:
                on_lost(credential.lost())
            return
        if credential.term.due <= now_s() and credential.term.step is not Step.NOTHING:
            credential.term = await take_step(client, credential.lease_id, credential.term)


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
