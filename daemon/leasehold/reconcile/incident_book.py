"""The incidents in the store. None is ever forgotten: they are evidence.

Two may want to change one at the same time, so each change is made to what is read within it.
"""

import asyncio
from collections.abc import Callable, Sequence

from leasehold.errors import NotFound
from leasehold.leases.store import LeaseStore
from leasehold.model import Event
from leasehold.reconcile.incident import KIND, Incident, from_document

Changed = tuple[Incident, Sequence[Event]]


class IncidentBook:
    """Reads and writes incidents. Every method raises Unavailable."""

    def __init__(self, store: LeaseStore) -> None:
        self._store = store
        self._writing = asyncio.Lock()

    async def all(self) -> list[Incident]:
        """Every incident, the newest first."""
        found = [from_document(each) for each in await self._store.documents(KIND)]
        return sorted(found, key=lambda incident: (incident.at_ms, incident.id), reverse=True)

    async def get(self, incident_id: str) -> Incident:
        """One incident. Raises NotFound."""
        document = await self._store.document(KIND, incident_id)
        if document is None:
            raise NotFound("there is no such incident; leasehold incident list shows all")
        return from_document(document)

    async def add(self, incident: Incident, told: Event) -> None:
        """Have an incident stand."""
        await self._store.keep([incident.document()], told, may_delay_audit=True)

    async def change(
        self, incident_id: str, change: Callable[[Incident], Changed | None]
    ) -> Incident:
        """Keep what `change` makes of the incident as it stands, None to leave it.

        Returns it as it stands then; raises NotFound, and what `change` raises.
        """
        async with self._writing:
            incident = await self.get(incident_id)
            changed = change(incident)
            if changed is not None:
                incident, told = changed
                await self._store.keep([incident.document()], *told, may_delay_audit=True)
            return incident
