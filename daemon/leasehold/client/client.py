"""The verbs of a lease and the daemon's own pages, as calls."""

import base64
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from leasehold.client.connection import send
from leasehold.client.endpoint import Endpoint, endpoint_of
from leasehold.client.replies import (
    IssuedCredential,
    RenewedLease,
    Reply,
    issued,
    renewed,
    revoked,
)
from leasehold.client.tokens import TokenCalls
from leasehold.secret import Secret

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from leasehold.client.held import HeldCredential, OnLost

TIMEOUT_S = 70.0
"""Longer than the daemon gives any request, so that its own answer is heard."""
PAGE = 500


class Client(TokenCalls):
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

    def read(self, path: str, ttl: str | int | None = None) -> IssuedCredential:
        """A new credential at `path` (`database/creds/app-readonly`).

        `ttl` asks for a span, whole seconds or a text such as `15m`; the policy may shorten it.
        """
        reply = self._get(quote(path.strip("/")), {} if ttl is None else {"ttl": ttl})
        return issued(path, reply)

    def credential(
        self, path: str, ttl: str | int | None = None, on_lost: "OnLost | None" = None
    ) -> "AbstractContextManager[HeldCredential]":
        """A credential for the length of a `with` block, renewed meanwhile and revoked at its end.

        `on_lost` is called once, from another thread, if the lease ends before the block does.
        """
        from leasehold.client.credential import held  # here, since commands need none of it

        return held(self, path, ttl, on_lost)

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

    def preview_incident(self, match: Sequence[str]) -> Mapping[str, Any]:
        """What an incident for `match` (`tenant=payments`) would hit; changes nothing."""
        return self._incident("/preview", {"match": list(match)})

    def open_incident(
        self, match: Sequence[str], reason: str, *, revoke: bool = False
    ) -> Mapping[str, Any]:
        """Freeze issue and renewal for `match`; with `revoke` the leases are told to end too."""
        return self._incident("", {"match": list(match), "reason": reason, "revoke": revoke})

    def revoke_incident(self, incident_id: str) -> Mapping[str, Any]:
        """Have the leases of an incident end, without waiting for that."""
        return self._incident(f"/{quote(incident_id, safe='')}/revoke", {})

    def close_incident(self, incident_id: str) -> Mapping[str, Any]:
        """Let issue and renewal go on. Raises Conflict while leases are still to be told."""
        return self._incident(f"/{quote(incident_id, safe='')}/close", {})

    def incident(self, incident_id: str) -> Mapping[str, Any]:
        """One incident, and under `report` how its leases fare."""
        reply = self._get(f"leasehold/incidents/{quote(incident_id, safe='')}", {})
        data: Mapping[str, Any] = reply.body["data"]
        return data

    def incidents(self) -> Sequence[Mapping[str, Any]]:
        """Every incident, the newest first."""
        body = self._get("leasehold/incidents", {}).body
        found: Sequence[Mapping[str, Any]] = body["data"]["incidents"]
        return found

    def _incident(self, suffix: str, body: Mapping[str, object]) -> Mapping[str, Any]:
        data: Mapping[str, Any] = self._put(f"leasehold/incidents{suffix}", body).body["data"]
        return data

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

    def plan(self, files: Iterable[tuple[str, bytes]] | None = None) -> Mapping[str, Any]:
        """What an apply would do; of `files`, names with contents, instead of the source if given.

        Raises PolicyRefused.
        """
        body: dict[str, object] = {}
        if files is not None:
            body["files"] = [[name, base64.b64encode(data).decode()] for name, data in files]
        data: Mapping[str, Any] = self._put("leasehold/plan", body).body["data"]
        return data

    def apply(self, checksum: str | None = None, allow: Sequence[str] = ()) -> Mapping[str, Any]:
        """Serve what the source has, if the plan of it has `checksum`.

        `allow` has codes of safety limits to break this once. Raises Stale, Unsafe, Locked,
        PolicyRefused.
        """
        body = {"checksum": checksum or "", "allow_unsafe": list(allow)}
        data: Mapping[str, Any] = self._put("leasehold/apply", body).body["data"]
        return data

    def generations(self) -> Sequence[Mapping[str, Any]]:
        """What was applied, the newest first."""
        data = self._get("leasehold/generations", {}).body["data"]
        applied: Sequence[Mapping[str, Any]] = data["generations"]
        return applied

    def can_i(self, path: str, verb: str = "issue", who: str | None = None) -> Mapping[str, Any]:
        """Whether the caller may do `verb` at `path`, or `who` may (`unix:user=billing`)."""
        asked = {"path": path, "verb": verb} | ({} if who is None else {"as": who})
        data: Mapping[str, Any] = self._put("leasehold/can-i", asked).body["data"]
        return data

    def who_can(self, path: str, verb: str = "issue") -> Mapping[str, Any]:
        """Every identity that may do `verb` at `path`."""
        asked = {"path": path, "verb": verb}
        data: Mapping[str, Any] = self._get("leasehold/who-can", asked).body["data"]
        return data

    def explain(self, request_id: str) -> Mapping[str, Any]:
        """What was decided on a request, and why. Raises NotFound when it was not the caller's."""
        reply = self._get(f"leasehold/explain/{quote(request_id, safe='')}", {})
        data: Mapping[str, Any] = reply.body["data"]
        return data

    def audit(self, *, lease_id: str = "", request_id: str = "") -> Mapping[str, Any]:
        """What the audit has on a lease, or a request; of one's own leases, or all for operators.

        Raises NotFound when it has nothing.
        """
        query = {"lease": lease_id, "request": request_id}
        reply = self._get("leasehold/audit", {name: text for name, text in query.items() if text})
        data: Mapping[str, Any] = reply.body["data"]
        return data

    def drill(self, role: str) -> Mapping[str, Any]:
        """Drill the role at the path `role` (`database/creds/reader`) now: how it went."""
        data: Mapping[str, Any] = self._put("leasehold/drill", {"role": role}).body["data"]
        return data

    def drills(self) -> Sequence[Mapping[str, Any]]:
        """Every role with a schedule or a drill: when the next is due, how the last one went."""
        data = self._get("leasehold/drills", {}).body["data"]
        roles: Sequence[Mapping[str, Any]] = data["roles"]
        return roles

    def drill_history(self, role: str) -> Sequence[Mapping[str, Any]]:
        """All that is kept of the drills of one role, the newest first."""
        data = self._get("leasehold/drills", {"role": role}).body["data"]
        history: Sequence[Mapping[str, Any]] = data["history"]
        return history

    def drift(self, *, look: bool = True, accept: Sequence[str] = ()) -> Mapping[str, Any]:
        """What is not as it should be, looked at now or as the last look found it.

        Before it looks, the daemon takes the servers behind the engines `accept` as they are.
        """
        if look:
            reply = self._put("leasehold/drift", {"accept": list(accept)})
        else:
            reply = self._get("leasehold/drift", {})
        data: Mapping[str, Any] = reply.body["data"]
        return data

    def orphans(self) -> Mapping[str, Any]:
        """Accounts without a lease and leases without an account, looked at now; all pages of it.

        Raises Stale when somebody else has another report made meanwhile.
        """
        page = self._get("leasehold/orphans", {}).body["data"]
        report = {**page, "findings": list(page["findings"])}
        while page["next"] is not None:
            page = self._get("leasehold/orphans", {"after": page["next"]}).body["data"]
            report["findings"] += page["findings"]
        del report["next"]
        return report

    def remove_orphans(
        self, report: Mapping[str, Any], allow: Sequence[str] = ()
    ) -> Mapping[str, Any]:
        """Remove what `report`, as `orphans` returned it, calls removable; no others.

        `allow` has codes of safety limits to break this once. Raises Stale, Unsafe; then nothing
        was removed.
        """
        accounts = [
            [finding["engine"], finding["account"]]
            for finding in report["findings"]
            if finding["removable"]
        ]
        body = {"accounts": accounts, "report": report["report"], "allow_unsafe": list(allow)}
        data: Mapping[str, Any] = self._put("leasehold/orphans", body).body["data"]
        return data

    def _get(self, target: str, query: Mapping[str, object]) -> Reply:
        suffix = f"?{urlencode(query)}" if query else ""
        return send(self._endpoint, self._timeout_s, "GET", f"/v1/{target}{suffix}", None)

    def _put(self, target: str, body: Mapping[str, object]) -> Reply:
        return send(self._endpoint, self._timeout_s, "PUT", f"/v1/{target}", body)
