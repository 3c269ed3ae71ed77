"""Incidents as operators handle them: preview, open, revoke, close, and how they fare.

Opening freezes issue and renewal before anything else: in memory first, in the store before there
is an answer. So what is previewed after it, and revoked, is all there is; nothing slips in behind.
"""

from collections.abc import Sequence
from typing import Any

from leasehold.access import Access
from leasehold.background import Background
from leasehold.clock import Clock
from leasehold.errors import Conflict, Invalid
from leasehold.leases.freeze import Freeze
from leasehold.leases.matching import Match, MatchedLeases, read_match
from leasehold.model import Caller, Event, EventType
from leasehold.policy.decide import Allowed, role_at, static_role_at
from leasehold.reconcile.incident import Incident, new_id
from leasehold.reconcile.incident_book import Changed, IncidentBook
from leasehold.reconcile.incident_report import IncidentReports
from leasehold.reconcile.incident_response import IncidentResponse
from leasehold.reconcile.reasons import checked_reason

PATH, VERB = "leasehold/incidents", "operate"


class Incidents:
    """Every method raises Denied for whom the policy gives no `operate` at leasehold/incidents."""

    def __init__(
        self,
        *,
        access: Access,
        store: MatchedLeases,
        clock: Clock,
        freeze: Freeze,
        book: IncidentBook,
        reports: IncidentReports,
        response: IncidentResponse,
        background: Background,
    ) -> None:
        self._access = access
        self._store = store
        self._clock = clock
        self._freeze = freeze
        self._book = book
        self._reports = reports
        self._response = response
        self._background = background

    async def preview(self, caller: Caller, match: Sequence[str]) -> dict[str, Any]:
        """What an incident for `match` would hit; changes nothing. Raises Invalid, Unavailable."""
        await self._access.require(caller, PATH, VERB)
        wanted = await self._known(match)
        return {"match": dict(wanted.wanted), **await self._reports.preview(wanted)}

    async def open(
        self, caller: Caller, match: Sequence[str], reason: str, *, revoke: bool
    ) -> tuple[Incident, dict[str, Any]]:
        """Freeze what matches, then say what is hit, and with `revoke` have it end.

        It is durable before anything is told to end, and goes on when the caller hangs up. Raises
        Invalid, Unavailable.
        """
        allowed = await self._access.require(caller, PATH, VERB)
        wanted = await self._known(match)
        opened = self._open(caller, wanted, checked_reason(reason), allowed, revoke=revoke)
        return await self._background.finish(opened)

    async def _open(
        self, caller: Caller, match: Match, reason: str, allowed: Allowed, *, revoke: bool
    ) -> tuple[Incident, dict[str, Any]]:
        incident_id = new_id()
        self._freeze.stand(incident_id, match)
        # Read after the freeze: whatever was let through before it is older than this instant.
        incident = Incident(
            id=incident_id,
            match=match,
            reason=reason,
            at_ms=self._clock.now_ms(),
            by=allowed.identity.name,
            caller=caller,
        )
        told = Event.new(
            EventType.INCIDENT_OPENED,
            incident.at_ms,
            None,
            caller=caller,
            about=incident.id,
            match=str(match),
            reason=reason,
            by=incident.by,
            **self._access.grounds(caller, PATH, VERB, allowed.rule),
        )
        try:
            await self._book.add(incident, told)
        except BaseException:
            self._freeze.lift(incident.id)
            raise
        preview = await self._reports.preview(match)
        return (await self._revoke(caller, incident.id, allowed) if revoke else incident), preview

    async def revoke(self, caller: Caller, incident_id: str) -> Incident:
        """Have the leases of an open incident end. Raises NotFound, Conflict, Unavailable."""
        allowed = await self._access.require(caller, PATH, VERB)
        return await self._background.finish(self._revoke(caller, incident_id, allowed))

    async def _revoke(self, caller: Caller, incident_id: str, allowed: Allowed) -> Incident:
        now_ms = self._clock.now_ms()

        def revoking(found: Incident) -> Changed | None:
            if found.closed_ms is not None:
                raise Conflict(f"incident {found.id} is closed; open another one")
            if found.revoke_ms is not None:
                return None
            told = self._told(EventType.INCIDENT_REVOKING, now_ms, caller, found, allowed)
            return found.revoking(now_ms), (told,)

        incident = await self._book.change(incident_id, revoking)
        self._response.wake()
        return incident

    async def close(self, caller: Caller, incident_id: str) -> Incident:
        """Let issue and renewal go on; what has to end still does, and what it came to is kept.

        Raises NotFound, Unavailable; Conflict while leases were not told to end that have to.
        """
        allowed = await self._access.require(caller, PATH, VERB)
        return await self._background.finish(self._close(caller, incident_id, allowed))

    async def _close(self, caller: Caller, incident_id: str, allowed: Allowed) -> Incident:
        report = await self._reports.report(await self._book.get(incident_id))
        now_ms = self._clock.now_ms()

        def closed(found: Incident) -> Changed | None:
            if found.closed_ms is not None:
                return None
            if found.is_under_way and report["untold"]:
                raise Conflict(
                    f"incident {found.id}: {report['untold']} leases were not told to end yet, and"
                    " could be renewed; close it when all were, which is a matter of seconds"
                )
            told = self._told(EventType.INCIDENT_CLOSED, now_ms, caller, found, allowed)
            return found.closed(now_ms, allowed.identity.name, report), (told,)

        incident = await self._book.change(incident_id, closed)
        self._freeze.lift(incident.id)
        return incident

    def _told(
        self, kind: EventType, now_ms: int, caller: Caller, incident: Incident, allowed: Allowed
    ) -> Event:
        return Event.new(
            kind,
            now_ms,
            None,
            caller=caller,
            about=incident.id,
            match=str(incident.match),
            by=allowed.identity.name,
            **self._access.grounds(caller, PATH, VERB, allowed.rule),
        )

    async def all(self, caller: Caller) -> list[Incident]:
        """Every incident, the newest first. Raises Unavailable."""
        await self._access.require(caller, PATH, VERB)
        return await self._book.all()

    async def one(self, caller: Caller, incident_id: str) -> tuple[Incident, dict[str, Any]]:
        """One incident and how its leases fare. Raises NotFound, Unavailable."""
        await self._access.require(caller, PATH, VERB)
        incident = await self._book.get(incident_id)
        if incident.report and not incident.is_under_way:
            return incident, dict(incident.report)
        return incident, await self._reports.report(incident)

    async def _known(self, texts: Sequence[str]) -> Match:
        """The match of `texts`. Raises Invalid for a value that nothing bears: it is misspelt."""
        match = read_match(texts)
        bundle = self._access.generation().bundle
        identities, static = bundle.identities.values(), bundle.static_roles
        known = {
            "tenant": {identity.tenant for identity in identities},
            "owner": {identity.owner for identity in identities},
            "identity": {identity.name for identity in identities},
            "engine": set(bundle.engines),
            "role": {name for _, name in (*bundle.roles, *static)},
            "account": {account for role in static.values() for account in role.accounts},
        }
        for name, value in match.wanted.items():
            named = value in known[name] or (name == "role" and self._is_path(value))
            if named or await self._store.holdings(Match({name: value})):
                continue
            bearers = ", ".join(sorted(known[name])) or "those of live leases"
            raise Invalid(
                f"match: no live lease has {name}={value}, nor has anything in the policy; allowed"
                f" are {bearers}"
            )
        return match

    def _is_path(self, value: str) -> bool:
        bundle = self._access.generation().bundle
        return role_at(bundle, value) is not None or static_role_at(bundle, value) is not None
