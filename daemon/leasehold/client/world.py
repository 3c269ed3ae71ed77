"""The world held against the policy, as calls: drills, drift, orphans."""

from collections.abc import Mapping, Sequence
from typing import Any

from leasehold.client.calls import Calls


class WorldCalls(Calls):
    """What is so at the targets."""

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
