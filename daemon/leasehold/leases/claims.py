"""Who is at work on which lease, within this process.

A verb that touches the target first and the ledger second (renew, remove) holds the lease's claim
for the whole time, so that no two of them cross at the target. The ledger's compare-and-set on the
version stays the last word. A claim is never durable: after a crash everything is free.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager

from leasehold.errors import Unavailable
from leasehold.model import Lease


class Claims:
    """The leases that somebody in this process is working on."""

    def __init__(self) -> None:
        self._held: dict[str, asyncio.Event] = {}
        self._watches: list[set[str]] = []

    @contextmanager
    def watch(self) -> Iterator[set[str]]:
        """Collect the ids that are given back while the body runs.

        What was read from the ledger meanwhile may be stale for exactly these.
        """
        touched: set[str] = set()
        self._watches.append(touched)
        try:
            yield touched
        finally:
            # By what it is: two watches that saw the same are equal.
            self._watches = [each for each in self._watches if each is not touched]

    def take(self, leases: Iterable[Lease]) -> list[Lease]:
        """Claim those of `leases` that are free, and return them."""
        taken = [lease for lease in leases if lease.id not in self._held]
        for lease in taken:
            self._held[lease.id] = asyncio.Event()
        return taken

    def give(self, leases: Iterable[Lease]) -> None:
        """Give claims back."""
        for lease in leases:
            self._release(lease.id)

    @asynccontextmanager
    async def of(self, lease_id: str, deadline_s: float = 30.0) -> AsyncIterator[None]:
        """Hold the claim of one lease, after waiting for it.

        What was read of the lease before may be stale. Raises Unavailable after `deadline_s`.
        """
        try:
            async with asyncio.timeout(deadline_s):
                while lease_id in self._held:
                    await self._held[lease_id].wait()
        except TimeoutError:
            raise Unavailable(f"{lease_id} is being worked on; try again") from None
        self._held[lease_id] = asyncio.Event()
        try:
            yield
        finally:
            self._release(lease_id)

    def _release(self, lease_id: str) -> None:
        self._held.pop(lease_id).set()
        for touched in self._watches:
            touched.add(lease_id)
