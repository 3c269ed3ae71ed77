"""The policy and what was decided by it, as calls."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from leasehold.client.calls import Calls


class PolicyCalls(Calls):
    """Plan, apply, ask and explain."""

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

    def whoami(self) -> Mapping[str, Any]:
        """What the daemon sees of the caller, the identities it is, and what it lacks of others."""
        data: Mapping[str, Any] = self._get("leasehold/whoami", {}).body["data"]
        return data

    def can_i(
        self,
        path: str,
        verb: str = "issue",
        who: str | None = None,
        *,
        at: str = "",
        fields: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """Whether the caller may do `verb` at `path`, or `who` may (`unix:user=billing`).

        Now, or at an instant such as `2026-01-05T09:00+01:00`; with `fields` in the request.
        """
        asked = {"path": path, "verb": verb, "at": at, "fields": dict(fields or {})}
        asked |= {} if who is None else {"as": who}
        data: Mapping[str, Any] = self._put("leasehold/can-i", asked).body["data"]
        return data

    def who_can(self, path: str, verb: str = "issue", *, at: str = "") -> Mapping[str, Any]:
        """Every identity that may do `verb` at `path`, now or `at` an instant."""
        asked = {"path": path, "verb": verb} | ({"at": at} if at else {})
        data: Mapping[str, Any] = self._get("leasehold/who-can", asked).body["data"]
        return data

    def explain(self, request_id: str) -> Mapping[str, Any]:
        """What was decided on a request, and why. Raises NotFound when it was not the caller's."""
        reply = self._get(f"leasehold/explain/{quote(request_id, safe='')}", {})
        data: Mapping[str, Any] = reply.body["data"]
        return data

    def whois(self, account: str) -> Mapping[str, Any]:
        """The lease of an account, over or not, for operators. Raises NotFound."""
        reply = self._get(f"leasehold/whois/{quote(account, safe='')}", {})
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
