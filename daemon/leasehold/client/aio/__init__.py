"""The client for asyncio: what an application needs of it, without blocking the loop.

client = AsyncClient()
async with client.credential("database/creds/app") as credential: ...
async with AsyncDynamicPool(client, "database/creds/app", adapter) as pool: ...
"""

from leasehold.client.aio.client import AsyncClient
from leasehold.client.aio.pool import AsyncDynamicPool

__all__ = ["AsyncClient", "AsyncDynamicPool"]
