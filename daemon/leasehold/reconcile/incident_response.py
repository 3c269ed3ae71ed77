"""Has the leases of incidents end, worst first, until all are gone; also after a crash.

Leases are told to end here, in batches, and the expiry workers take their accounts away, each
engine apart from the others. Worst first means: engines where a revoked credential is dead last of
all get told first, and of an engine's leases those that would have lived longest. An incident goes
on until its leases are gone, whether it is closed meanwhile or not.
"""

import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from leasehold.clock import Clock
from leasehold.ending import Ending
from leasehold.engines.registry import Engines
from leasehold.errors import LeaseholdError
from leasehold.failpoints import hit
from leasehold.leases.freeze import Freeze
from leasehold.leases.lifecycle import ENDING, NOT_ENDING
from leasehold.leases.matching import Match, MatchedLeases
from leasehold.loops import Rounds
from leasehold.model import Cause, Event, EventType, Lease
from leasehold.plugin import Revocability
from leasehold.reconcile.incident import Incident
from leasehold.reconcile.incident_book import Changed, IncidentBook
from leasehold.reconcile.incident_report import IncidentReports

logger = logging.getLogger(__name__)

FIRST_S, LAST_S = 0.25, 30.0
"""How long to wait between two looks at what is left; it doubles while nothing new is wanted."""
PAGE = 500
_WORST = (
    Revocability.SHARED,
    Revocability.BY_CUTOFF,
    Revocability.SESSIONS_SURVIVE,
    Revocability.IMMEDIATE,
    None,
    Revocability.EXPIRY_ONLY,
)
"""Who still gets in with a revoked credential comes first; where revoking ends nothing, last."""


class IncidentResponse:
    """Runs beside the daemon's other loops. `hurry` has the expiry workers look at once."""

    def __init__(
        self,
        store: MatchedLeases,
        clock: Clock,
        engines: Engines,
        ending: Ending,
        freeze: Freeze,
        book: IncidentBook,
        reports: IncidentReports,
        hurry: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._engines = engines
        self._ending = ending
        self._freeze = freeze
        self._book = book
        self._reports = reports
        self._hurry = hurry
        self._rounds = Rounds(FIRST_S, LAST_S)

    def wake(self) -> None:
        """There is something new to do."""
        self._rounds.wake()

    async def load(self) -> None:
        """Freeze what open incidents cover; to be called before the first request is taken.

        What cannot be read keeps everything frozen, and is tried again by `run`.
        """
        try:
            incidents = await self._book.all()
        except LeaseholdError as trouble:
            logger.error("nothing is issued: the open incidents cannot be read: %s", trouble)
            return
        standing = [incident for incident in incidents if incident.closed_ms is None]
        self._freeze.load({incident.id: incident.match for incident in standing})

    async def run(self) -> None:
        """Respond as incidents come; never returns."""
        await self._rounds.run(self._round)

    async def _round(self) -> bool:
        if not self._freeze.known:
            await self.load()
        return await self.respond() or not self._freeze.known

    async def respond(self) -> bool:
        """Make one round for every incident; whether leases are left that have to go."""
        try:
            incidents = [each for each in await self._book.all() if each.is_under_way]
        except LeaseholdError as trouble:
            logger.error("incidents wait: %s", trouble)
            return True
        standing = False
        for incident in incidents:
            try:
                standing = not await self._revoke(incident) or standing
            except LeaseholdError as trouble:
                logger.error("incident %s waits: %s", incident.id, trouble)
                standing = True
            except Exception:
                # Whatever is wrong with one incident, the others are responded to.
                logger.exception("incident %s waits: a defect of leasehold", incident.id)
                standing = True
        return standing

    async def _revoke(self, incident: Incident) -> bool:
        """Tell the leases of an incident that they end; whether all are gone."""
        async for page in self._worst_first(incident):
            await self._ending.begin(
                page, Cause.OPERATOR, incident.since_ms, incident.caller, incident.id
            )
            self._hurry()
            hit("incident.page")
        report = await self._reports.report(incident)
        if report["revoked"] < report["total"]:
            if not incident.begun:
                await self._book.change(incident.id, lambda it: (replace(it, begun=True), ()))
            return False
        now_ms = self._clock.now_ms()
        told = Event.new(
            EventType.INCIDENT_REVOKED,
            now_ms,
            None,
            caller=incident.caller,
            about=incident.id,
            match=str(incident.match),
            by=incident.by,
            leases=str(report["total"]),
            forced=str(report["forced"] or ""),
            alive=str(report["alive"] or ""),
            s=str((now_ms - incident.since_ms) // 1000),
        )

        def finished(found: Incident) -> Changed:
            return found.finished(now_ms, report), (told,)

        await self._book.change(incident.id, finished)
        return True

    async def _worst_first(self, incident: Incident) -> AsyncIterator[list[Lease]]:
        """What is to be told, in pages; at first also what ends already, to be tried at once."""
        matches = await self._by_engine(incident.match)
        for states in (NOT_ENDING,) if incident.begun else (NOT_ENDING, ENDING):
            for match in matches:
                last: Lease | None = None
                full = True
                while full:
                    page = await self._store.longest(match, incident.at_ms, states, PAGE, last)
                    full = len(page) == PAGE
                    last = page[-1] if page else None
                    yield page

    async def _by_engine(self, match: Match) -> list[Match]:
        """The match for each engine with leases in it, the worst first."""
        kinds = {it.engine: it.engine_type for it in await self._store.holdings(match)}
        ranked = sorted(
            kinds, key=lambda name: (_WORST.index(self._engines.revocability(kinds[name])), name)
        )
        return [Match({**match.wanted, "engine": name}) for name in ranked]
