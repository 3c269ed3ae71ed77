"""The verbs of a lease and the daemon's own pages, as calls."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from leasehold.client.connection import send, sending
from leasehold.client.endpoint import Endpoint, endpoint_of
from leasehold.client.incidents import IncidentCalls
from leasehold.client.policy import PolicyCalls
from leasehold.client.quarantine import QuarantineCalls
from leasehold.client.replies import (
    IssuedCredential,
    RenewedLease,
    Reply,
    asked_for,
    issued,
    renewed,
    revoked,
)
from leasehold.client.rotation import RotationCalls
from leasehold.client.sealing import SealCalls
from leasehold.client.secret_ids import SecretIdCalls
from leasehold.client.succeeding import SucceedingCalls
from leasehold.client.tokens import TokenCalls
from leasehold.client.world import WorldCalls
from leasehold.secret import Secret

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from leasehold.client.credential import HeldCredential, OnReplaced
    from leasehold.client.held import OnLost

TIMEOUT_S = 70.0
"""Longer than the daemon gives any request, so that its own answer is heard."""
PAGE = 500


class Client(
    SucceedingCalls,
    TokenCalls,
    SecretIdCalls,
    IncidentCalls,
    PolicyCalls,
    QuarantineCalls,
    RotationCalls,
    SealCalls,
    WorldCalls,
):
    """Talks to the daemon at `address`; a call takes at most `timeout_s` between two bytes.

    `address` is the path of a socket, a text (`unix:///path`, `https://host:port`) or an endpoint;
    without it the environment says where, as for the commands. A `token` that is given is sent over
    the socket too; those of the environment go over https only.

    Every method raises Unreachable when no daemon answers, Denied, NotFound, Invalid,
    LimitReached and Unavailable as the daemon says.
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

    def read(
        self,
        path: str,
        ttl: str | int | None = None,
        *,
        fields: Mapping[str, str] | None = None,
    ) -> IssuedCredential:
        """A new credential at `path` (`database/creds/app-readonly`).

        `ttl` asks for a span, whole seconds or a text such as `15m`; the policy may shorten it.
        `fields` are what the policy asks for, such as `{"reason": "ABC-1"}`.
        """
        return issued(path, self._put(quote(path.strip("/")), asked_for(ttl, fields)))

    @contextlib.contextmanager
    def holding(
        self,
        path: str,
        ttl: str | int | None = None,
        *,
        fields: Mapping[str, str] | None = None,
    ) -> Iterator[IssuedCredential]:
        """As `read`, for a role whose leases end with their connection: with the block, that is."""
        target, asked = f"/v1/{quote(path.strip('/'))}", asked_for(ttl, fields)
        with sending(self._endpoint, self._timeout_s, "PUT", target, asked) as reply:
            yield issued(path, reply)

    @contextlib.contextmanager
    def replacing(
        self,
        lease_id: str,
        ttl: str | int | None = None,
        *,
        fields: Mapping[str, str] | None = None,
    ) -> Iterator[IssuedCredential]:
        """As `replace`, for a role whose leases end with their connection: with the block."""
        asked = {**asked_for(ttl, fields), "lease_id": lease_id}
        target = "/v1/leasehold/leases/replace"
        with sending(self._endpoint, self._timeout_s, "PUT", target, asked) as reply:
            yield issued(lease_id, reply)

    def credential(
        self,
        path: str,
        ttl: str | int | None = None,
        on_lost: "OnLost | None" = None,
        *,
        on_replaced: "OnReplaced | None" = None,
        fields: Mapping[str, str] | None = None,
    ) -> "AbstractContextManager[HeldCredential]":
        """A credential for the length of a `with` block, renewed meanwhile and revoked at its end.

        With `on_replaced`, another is asked for when its lease cannot be renewed any further; that
        is called, from another thread, when the credential has become the other one.
        `on_lost` is called once, from another thread, if the lease ends before the block does.
        """
        from leasehold.client.credential import Asking, held  # here: commands need none of it

        return held(Asking(self, path, ttl, fields), on_lost, on_replaced)

    def renew(self, lease_id: str, increment: str | int | None = None) -> RenewedLease:
        """Move the lease's end to `increment` from now, at most to where the policy caps it."""
        asked = {"lease_id": lease_id} | ({} if increment is None else {"increment": increment})
        return renewed(self._put("sys/leases/renew", asked))

    def revoke(self, lease_id: str, *, wait: bool = True) -> bool:
        """End the lease now. True: the account is gone. False: queued, and tried until it is.

        Raises NotFound for a lease that never was, or is another's.
        """
        return revoked(self._put("sys/leases/revoke", {"lease_id": lease_id, "sync": wait}))

    def revoke_prefix(self, prefix: str, *, force: bool = False) -> str:
        """Order that every lease below `prefix` ends, and return the order's id without waiting.

        A prefix that is a lease's id means that lease. With `force` leases end even though their
        accounts cannot be taken away.
        """
        verb = "revoke-force" if force else "revoke-prefix"
        body = self._put(f"sys/leases/{verb}/{quote(prefix.lstrip('/'))}", {"sync": False}).body
        return str(body["data"]["revocation"])

    def revocation(self, order_id: str) -> Mapping[str, Any]:
        """How far an order has come: total, ended, failing, waiting, last_error, finished_at."""
        reply = self._get(f"leasehold/revocations/{quote(order_id, safe='')}", {})
        data: Mapping[str, Any] = reply.body["data"]
        return data

    def revocations(self) -> Sequence[Mapping[str, Any]]:
        """The orders that stand and the last that are over, the newest first."""
        data = self._get("leasehold/revocations", {}).body["data"]
        orders: Sequence[Mapping[str, Any]] = data["revocations"]
        return orders

    def lookup(self, lease_id: str) -> Mapping[str, Any]:
        """What the daemon says of one lease of the caller's: id, times, ttl, renewable."""
        data: Mapping[str, Any] = self._put("sys/leases/lookup", {"lease_id": lease_id}).body[
            "data"
        ]
        return data

    def leases(self, prefix: str = "", states: Sequence[str] = ()) -> Iterator[Mapping[str, Any]]:
        """Leases below `prefix` in order of ids, page by page: the caller's, or all for a lister.

        Without `states`, leases in every state.
        """
        after: str | None = ""
        while after is not None:
            query: dict[str, object] = {"limit": PAGE}
            query |= {"prefix": prefix} if prefix else {}
            query |= {"state": ",".join(states)} if states else {}
            query |= {"after": after} if after else {}
            page = self._get("leasehold/leases", query).body["data"]
            yield from page["leases"]
            after = page["next"]

    def status(self) -> Mapping[str, Any]:
        """How the daemon fares: generation, leases by state, overdue, what degrades it."""
        reply = self._get("leasehold/status", {})
        data: Mapping[str, Any] = reply.body["data"]
        return data

    def metrics(self) -> str:
        """The daemon's figures in Prometheus' text format."""
        return self._get("sys/metrics", {"format": "prometheus"}).text

    def engines(self) -> Sequence[Mapping[str, Any]]:
        """The configured engines, each with its state and the reason for it."""
        reply = self._get("leasehold/engines", {})
        engines: Sequence[Mapping[str, Any]] = reply.body["data"]["engines"]
        return engines

    def quotas(self) -> Sequence[Mapping[str, Any]]:
        """How much of each limit is used, the fullest first: kind, name, limit, used, most."""
        data = self._get("leasehold/quotas", {}).body["data"]
        quotas: Sequence[Mapping[str, Any]] = data["quotas"]
        return quotas

    def _get(self, target: str, query: Mapping[str, object]) -> Reply:
        suffix = f"?{urlencode(query)}" if query else ""
        return send(self._endpoint, self._timeout_s, "GET", f"/v1/{target}{suffix}", None)

    def _put(
        self, target: str, body: Mapping[str, object], headers: Mapping[str, str] | None = None
    ) -> Reply:
        return send(self._endpoint, self._timeout_s, "PUT", f"/v1/{target}", body, headers)
