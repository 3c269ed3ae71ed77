"""Incidents, as calls."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from leasehold.client.calls import Calls


class IncidentCalls(Calls):
    """What an operator does in an incident."""

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
