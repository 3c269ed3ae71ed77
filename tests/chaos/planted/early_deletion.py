"""Events leave the outbox when they are read, not when the broker has taken them."""

from typing import Any

from leasehold.leases.sqlite import SQLiteStore


def install() -> None:
    outbox = SQLiteStore.outbox

    async def bad(self: SQLiteStore, limit: int) -> Any:
        page = await outbox(self, limit)
        if page:
            await self.published(page[-1].seq)
        return page

    SQLiteStore.outbox = bad  # type: ignore[method-assign]
