"""The routes of incidents. For operators only."""

from collections.abc import Callable
from typing import Any

from leasehold.access import Access
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.background import Background
from leasehold.clock import Clock, rfc3339
from leasehold.ending import Ending
from leasehold.engines.registry import Engines
from leasehold.errors import Conflict, Denied, NotFound
from leasehold.leases.freeze import Freeze
from leasehold.leases.matching import FIELDS, MatchedLeases
from leasehold.reconcile.incident import Incident
from leasehold.reconcile.incident_book import IncidentBook
from leasehold.reconcile.incident_report import IncidentReports
from leasehold.reconcile.incident_response import IncidentResponse
from leasehold.reconcile.incidents import Incidents

_MATCH = Field(
    "match",
    Holds.TEXTS,
    f"What must agree, such as `tenant=payments`; names are {', '.join(FIELDS)}.",
    must=True,
)


class IncidentHandlers:
    """What is answered is durable before it is."""

    def __init__(self, incidents: Incidents, clock: Clock) -> None:
        self._incidents = incidents
        self._clock = clock

    @described(_MATCH)
    async def preview(self, ask: Ask) -> Reply:
        """`leasehold/incidents/preview`: what an incident would hit; changes nothing."""
        found = await self._incidents.preview(ask.caller, ask.fields.texts("match"))
        return Reply(body={"data": found})

    @described(
        _MATCH,
        Field("reason", Holds.TEXT, "Why, for the audit and for subscribers.", must=True),
        Field("revoke", Holds.FLAG, "Whether to end the leases too, at once; by default not."),
    )
    async def open(self, ask: Ask) -> Reply:
        """`leasehold/incidents`: freeze issue and renewal, and tell what is hit."""
        incident, preview = await self._incidents.open(
            ask.caller,
            ask.fields.texts("match"),
            ask.fields.text("reason"),
            revoke=ask.fields.flag("revoke", default=False),
        )
        return Reply(body={"data": {**self._shown(incident), "preview": preview}})

    @described()
    async def incidents(self, ask: Ask) -> Reply:
        """GET `leasehold/incidents`: every incident, the newest first."""
        found = await self._incidents.all(ask.caller)
        return Reply(body={"data": {"incidents": [self._shown(each) for each in found]}})

    @described(refusals=(Denied, NotFound))
    async def incident(self, ask: Ask) -> Reply:
        """GET `leasehold/incidents/<id>`: one incident, and how its leases fare."""
        incident, report = await self._incidents.one(ask.caller, ask.path["id"])
        return Reply(body={"data": {**self._shown(incident), "report": report}})

    @described(refusals=(Denied, NotFound, Conflict))
    async def revoke(self, ask: Ask) -> Reply:
        """`leasehold/incidents/<id>/revoke`: have its leases end, worst first."""
        incident = await self._incidents.revoke(ask.caller, ask.path["id"])
        return Reply(body={"data": self._shown(incident)})

    @described(refusals=(Denied, NotFound, Conflict))
    async def close(self, ask: Ask) -> Reply:
        """`leasehold/incidents/<id>/close`: let issue and renewal go on."""
        incident = await self._incidents.close(ask.caller, ask.path["id"])
        return Reply(body={"data": self._shown(incident)})

    def _shown(self, incident: Incident) -> dict[str, Any]:
        return {
            "id": incident.id,
            "state": incident.state,
            "match": dict(incident.match.wanted),
            "reason": incident.reason,
            "by": incident.by,
            "caller": incident.caller.who,
            "caller_uid": incident.caller.local_uid,
            "opened_at": self._time(incident.at_ms),
            "revoking_at": self._time(incident.revoke_ms),
            "revoked_at": self._time(incident.finished_ms),
            "closed_at": self._time(incident.closed_ms),
            "closed_by": incident.closed_by or None,
        }

    def _time(self, at_ms: int | None) -> str | None:
        return None if at_ms is None else rfc3339(self._clock.wall(at_ms))


def incident_handlers(
    access: Access,
    store: MatchedLeases,
    clock: Clock,
    engines: Engines,
    ending: Ending,
    freeze: Freeze,
    background: Background,
    hurry: Callable[[], None],
) -> tuple[IncidentHandlers, IncidentResponse]:
    """The routes, and the loop that carries out what they are told."""
    book, reports = IncidentBook(store), IncidentReports(store, engines, clock)
    response = IncidentResponse(store, clock, engines, ending, freeze, book, reports, hurry)
    incidents = Incidents(
        access=access,
        store=store,
        clock=clock,
        freeze=freeze,
        book=book,
        reports=reports,
        response=response,
        background=background,
    )
    return IncidentHandlers(incidents, clock), response
