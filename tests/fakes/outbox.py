"""An outbox in memory, which fails when it is told to."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from fakes.leases import a_lease
from leasehold.clock import SystemClock
from leasehold.errors import Unavailable
from leasehold.leases.store import Counts, OutboxEntry
from leasehold.model import AuditHead, Event, Lease, LeaseState


class FakeOutbox:
    """Keeps events until they are published; refuses the first `failures` times to hear of that."""

    def __init__(self, *, failures: int = 0) -> None:
        self.waiting: list[OutboxEntry] = []
        self._failures = failures
        self._last = 0
        self._wakes: list[Callable[[], None]] = []

    def put(self, *events: Event) -> None:
        for event in events:
            self._last += 1
            self.waiting.append(OutboxEntry(self._last, event))
        for wake in self._wakes:
            wake()

    def subscribe(self, wake: Callable[[], None]) -> None:
        self._wakes.append(wake)

    async def outbox(self, limit: int) -> list[OutboxEntry]:
        return self.waiting[:limit]

    async def outbox_size(self) -> int:
        return len(self.waiting)

    async def published(self, seq: int) -> None:
        if self._failures:
            self._failures -= 1
            raise Unavailable("the ledger cannot be written (disk full)")
        self.waiting = [entry for entry in self.waiting if entry.seq > seq]

    async def counts(self) -> Counts:
        return Counts(by_state={LeaseState.ACTIVE: 3}, overdue=2, quarantined=1)

    async def irrevocable(self, identities: Sequence[str] | None, limit: int) -> list[Lease]:
        return [replace(a_lease(), overdue=True, expires_ms=SystemClock().now_ms() - 7_000)][:limit]

    async def checkpoint(self) -> AuditHead | None:
        return AuditHead(17, "ab" * 32)
