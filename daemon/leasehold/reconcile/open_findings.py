"""The findings that stand now, in the store and in memory.

A finding and the event that tells it are one transaction, so it is told once, whenever the daemon
dies.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from leasehold.clock import Clock
from leasehold.leases.store import Document, LeaseStore
from leasehold.model import Caller, Event, EventType
from leasehold.reconcile.findings import (
    DOCUMENT,
    Comparison,
    Finding,
    Kind,
    Looked,
    What,
    compare,
    from_document,
)

BATCH = 500
"""How many findings one transaction has, so that leases need not wait long behind them."""
Write = tuple[Finding, Document, Event | None]


class OpenFindings:
    """Learns from looks what is found and what is cleared, and tells it."""

    def __init__(self, store: LeaseStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._open: dict[str, Finding] | None = None
        self._written: dict[str, Finding] = {}

    def all(self) -> list[Finding]:
        """What stands, by kind, engine and what it is about; empty before the first look."""
        return sorted((self._open or {}).values(), key=_order)

    async def load(self) -> list[Finding]:
        """What stands, also before the first look. Raises Unavailable."""
        if self._open is None:
            found = [from_document(each) for each in await self._store.documents(DOCUMENT)]
            self._open = {finding.fingerprint: finding for finding in found}
            self._written = dict(self._open)
        return self.all()

    async def observe(
        self, looked: Looked, *, why: str = "", caller: Caller | None = None
    ) -> Comparison:
        """Take over what looks saw.

        `why`, and `caller` who brought it about, are told of what is over. Raises Unavailable; then
        what was not written is told by the next look.
        """
        now_ms = self._clock.now_ms()
        seen = compare(await self.load(), looked, now_ms)
        begun = (self._begun(finding, now_ms) for finding in seen.found)
        over = (self._over(finding, now_ms, why, caller) for finding in seen.cleared)
        old = (
            (finding, finding.document(), None)
            for finding in seen.kept
            if not finding.is_written_as(self._written[finding.fingerprint])
        )
        for finding in seen.kept:
            self._put(finding)
        for writes in (begun, over, old):
            await self._write(writes)
        return seen

    async def stand(self, seen: Looked) -> None:
        """These stand from now on, besides what does, until a look at their scope misses them."""
        now_ms = self._clock.now_ms()
        known = {finding.fingerprint for finding in await self.load()}
        await self._write(
            self._begun(finding, now_ms)
            for finding in compare((), seen, now_ms).found
            if finding.fingerprint not in known
        )

    async def removed(self, findings: Iterable[Finding], told: Callable[[Finding], Event]) -> None:
        """These are over since somebody removed what was found. Raises Unavailable."""
        await self._write((each, each.cleared(), told(each)) for each in findings)

    async def _write(self, writes: Iterable[Write]) -> None:
        for batch in _batches(writes):
            events = [event for _, _, event in batch if event is not None]
            await self._store.keep([document for _, document, _ in batch], *events)
            for finding, document, _ in batch:
                if document.value is None:
                    (self._open or {}).pop(finding.fingerprint, None)
                    self._written.pop(finding.fingerprint, None)
                else:
                    self._put(finding)
                    self._written[finding.fingerprint] = finding

    def _put(self, finding: Finding) -> None:
        if self._open is not None:
            self._open[finding.fingerprint] = finding

    def _begun(self, finding: Finding, now_ms: int) -> Write:
        kind = EventType.ORPHAN_FOUND if _is_account(finding) else EventType.DRIFT_FOUND
        return finding, finding.document(), self.event(kind, finding, now_ms)

    def _over(self, finding: Finding, now_ms: int, why: str, caller: Caller | None) -> Write:
        kind = EventType.ORPHAN_CLEARED if _is_account(finding) else EventType.DRIFT_CLEARED
        return finding, finding.cleared(), self.event(kind, finding, now_ms, why, caller)

    def event(
        self,
        kind: EventType,
        finding: Finding,
        now_ms: int,
        why: str = "",
        caller: Caller | None = None,
    ) -> Event:
        """An event of `finding`, with `why` in the place of its own reason if that is given."""
        since = self._clock.wall(finding.first_seen_ms).isoformat(timespec="milliseconds")
        return Event.new(
            kind,
            now_ms,
            None,
            caller=caller,
            about=finding.about,
            what=finding.what,
            why=why or finding.sighting.why,
            account=finding.sighting.account,
            lease_id=finding.sighting.lease_id,
            first_seen=since.replace("+00:00", "Z"),
            fingerprint=finding.fingerprint,
        )


def _is_account(finding: Finding) -> bool:
    """Whether it is an account that should not be there."""
    return finding.scope.kind is Kind.LEASE and finding.what is not What.GHOST


def _order(finding: Finding) -> tuple[str, ...]:
    scope = finding.scope
    return (scope.kind, scope.engine, finding.what, finding.sighting.key, finding.fingerprint)


def _batches(writes: Iterable[Write]) -> Iterator[Sequence[Write]]:
    waiting = iter(writes)
    while batch := list(islice(waiting, BATCH)):
        yield batch
