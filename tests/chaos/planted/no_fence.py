"""An update does not ask whether somebody else changed the lease since it was read.

The claims of one process keep such changes apart as well, so both are taken away: without claims
alone the update's condition still refuses what is stale.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from leasehold.leases import sqlite_rows
from leasehold.leases.claims import Claims


def install() -> None:
    @asynccontextmanager
    async def bad(self: Claims, lease_id: str, deadline_s: float = 30.0) -> AsyncIterator[None]:
        yield

    Claims.of = bad  # type: ignore[method-assign]
    sqlite_rows.UPDATE = sqlite_rows.UPDATE.replace("AND version = ?", "AND ? >= 0")
