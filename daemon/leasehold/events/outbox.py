"""What a sink needs of the store: the events that wait, and the numbers of a heartbeat.

A `LeaseStore` is one; it puts an event there in the transaction of the change that it tells of.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from leasehold.model import AuditHead, Event, Lease


class Waiting(Protocol):
    """An event that waits; `seq` orders them without gaps."""

    @property
    def seq(self) -> int:
        """Its place."""

    @property
    def event(self) -> Event:
        """What happened."""


class Tallied(Protocol):
    """How many leases there are."""

    @property
    def live(self) -> int:
        """Those whose account may stand."""

    @property
    def overdue(self) -> int:
        """Those whose account stands too long."""

    @property
    def quarantined(self) -> int:
        """Those that failed to end too often."""


class Outbox(Protocol):
    """Events in order, each kept until it is said to be published. Raises Unavailable."""

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Call `wake` on the event loop after each batch of writes."""

    async def outbox(self, limit: int) -> Sequence[Waiting]:
        """The oldest events that wait."""

    async def outbox_size(self) -> int:
        """How many wait."""

    async def published(self, seq: int) -> None:
        """Subscribers have all events up to and including `seq`."""

    async def counts(self) -> Tallied:
        """How many leases there are."""

    async def irrevocable(self, identities: Sequence[str] | None, limit: int) -> Sequence[Lease]:
        """Live leases that are overdue or failed to end too often, the oldest deadline first."""

    async def checkpoint(self) -> AuditHead | None:
        """Where the audit stands."""
