"""The verbs of a lease, awaited. Operators' calls are in the blocking client only."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from leasehold.client.aio.connection import send, sending
from leasehold.client.aio.credential import Asking, AsyncHeldCredential, OnReplaced, held
from leasehold.client.client import TIMEOUT_S
from leasehold.client.endpoint import Endpoint, endpoint_of
from leasehold.client.held import OnLost
from leasehold.client.replies import (
    IssuedCredential,
    RenewedLease,
    Reply,
    asked_for,
    issued,
    renewed,
    revoked,
)
from leasehold.secret import Secret


class AsyncClient:
    """Talks to the daemon at `address`, named as for `Client`; a call takes at most `timeout_s`.

    It holds nothing open, so there is nothing to close. Errors are those of `Client`.
    """

    def __init__(
        self,
        address: Endpoint | Path | str | None = None,
        timeout_s: float = TIMEOUT_S,
        *,
        token: Secret | None = None,
    ) -> None:
        self._endpoint = endpoint_of(os.environ, address, token)
        self._timeout_s = timeout_s

    async def read(
        self,
        path: str,
        ttl: str | int | None = None,
        *,
        fields: Mapping[str, str] | None = None,
    ) -> IssuedCredential:
        """A new credential at `path`, of a life of `ttl`; see `Client.read`."""
        asked = asked_for(ttl, fields)
        return issued(path, await self._send("PUT", quote(path.strip("/")), asked))

    @asynccontextmanager
    async def holding(
        self,
        path: str,
        ttl: str | int | None = None,
        *,
        fields: Mapping[str, str] | None = None,
    ) -> AsyncIterator[IssuedCredential]:
        """As `read`, for a role whose leases end with their connection; see `Client.holding`."""
        target, asked = f"/v1/{quote(path.strip('/'))}", asked_for(ttl, fields)
        async with sending(self._endpoint, self._timeout_s, "PUT", target, asked) as reply:
            yield issued(path, reply)

    @asynccontextmanager
    async def replacing(
        self,
        lease_id: str,
        ttl: str | int | None = None,
        *,
        fields: Mapping[str, str] | None = None,
    ) -> AsyncIterator[IssuedCredential]:
        """As `replace`, for a role whose leases end with their connection: with the block."""
        asked = {**asked_for(ttl, fields), "lease_id": lease_id}
        target = "/v1/leasehold/leases/replace"
        async with sending(self._endpoint, self._timeout_s, "PUT", target, asked) as reply:
            yield issued(lease_id, reply)

    def credential(
        self,
        path: str,
        ttl: str | int | None = None,
        on_lost: OnLost | None = None,
        *,
        on_replaced: OnReplaced | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> AbstractAsyncContextManager[AsyncHeldCredential]:
        """A credential for the length of a block, renewed meanwhile and revoked at its end.

        With `on_replaced`, another is asked for when its lease cannot be renewed any further; that
        is awaited, in a task of the block's, when the credential has become the other one.
        `on_lost` is called once, from the loop, if the lease ends before the block does.
        """
        return held(Asking(self, path, ttl, fields), on_lost, on_replaced)

    async def renew(self, lease_id: str, increment: str | int | None = None) -> RenewedLease:
        """Move the lease's end to `increment` from now, at most to where the policy caps it."""
        asked = {"lease_id": lease_id} | ({} if increment is None else {"increment": increment})
        return renewed(await self._send("PUT", "sys/leases/renew", asked))

    async def revoke(self, lease_id: str, *, wait: bool = True) -> bool:
        """End the lease now. True: the account is gone. False: queued, and tried until it is.

        Raises NotFound for a lease that never was, or is another's.
        """
        body = {"lease_id": lease_id, "sync": wait}
        return revoked(await self._send("PUT", "sys/leases/revoke", body))

    async def replace(
        self,
        lease_id: str,
        ttl: str | int | None = None,
        *,
        fields: Mapping[str, str] | None = None,
    ) -> IssuedCredential:
        """A new credential in the place of one whose end is near; see `Client.replace`."""
        asked = {**asked_for(ttl, fields), "lease_id": lease_id}
        return issued(lease_id, await self._send("PUT", "leasehold/leases/replace", asked))

    async def acknowledge_lease(self, lease_id: str, *, wait: bool = True) -> bool:
        """Say that the new credential is in use; see `Client.acknowledge_lease`."""
        body = {"lease_id": lease_id, "sync": wait}
        return (await self._send("PUT", "leasehold/leases/acknowledge", body)).status == 204

    async def lookup(self, lease_id: str) -> Mapping[str, Any]:
        """What the daemon says of one lease of the caller's: id, times, ttl, renewable."""
        reply = await self._send("PUT", "sys/leases/lookup", {"lease_id": lease_id})
        data: Mapping[str, Any] = reply.body["data"]
        return data

    async def _send(self, method: str, target: str, body: Mapping[str, object] | None) -> Reply:
        return await send(self._endpoint, self._timeout_s, method, f"/v1/{target}", body)
