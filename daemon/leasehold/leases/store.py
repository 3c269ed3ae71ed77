"""Where leases live: the contract that every store keeps.

A write is durable when its call returns, and one transaction holds all that belongs together: the
lease, the counts that limits are checked against, the events for subscribers and the head of the
audit. Reads see every write that has returned.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from leasehold.clock import Anchor
from leasehold.model import AuditHead, Event, Lease, LeaseState, Recipe
from leasehold.quota import Kind

Limits = Mapping[Kind, int]
"""The most live leases there may be after one more, by whose they are."""


class AuditLog(Protocol):
    """The store's view of the audit: it appends within the store's own transaction.

    Called in the store's writer thread.
    """

    def append(
        self, events: Sequence[Event], *, delayed: bool = False, stored: int = 0
    ) -> AuditHead:
        """Write one line an event and make them durable.

        `stored` is the number of the last line that a commit has in it. Raises OSError when that
        fails, and then nothing of `events` counts as written.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One lease from `old` to `new`, with the events that tell it.

    `old` is None for a new lease. The store writes `new` only where `old.version` still stands,
    else raises Conflict. `limits` are checked for those whose it becomes, and `recipe` is kept if
    it is not yet, in the same transaction; what a lease comes to be bound to is not over, else
    Denied is raised. With `may_delay_audit` the change is written even when the audit cannot be
    (rule AU3: revocation goes on); its events are then kept in the store and audited later.
    """

    old: Lease | None
    new: Lease
    events: tuple[Event, ...] = ()
    limits: Limits = field(default_factory=dict)
    recipe: Recipe | None = None
    may_delay_audit: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A small record beside the leases: a generation, a finding, a piece of evidence.

    `kind` and `name` are its place, `value` is what JSON can hold, None to take it away. The store
    keeps it sealed, so it may hold what a policy holds.
    """

    kind: str
    name: str
    value: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """An event that waits for its subscribers; `seq` orders them without gaps."""

    seq: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many leases there are, by state; and how many of them are flagged.

    `damaged` counts rows that did not verify when they were read.
    """

    by_state: Mapping[LeaseState, int]
    overdue: int
    quarantined: int
    damaged: int = 0

    @property
    def live(self) -> int:
        """Leases whose account may stand."""
        return sum(n for state, n in self.by_state.items() if state is not LeaseState.REVOKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far leases that are to end have come.

    Of `total`, the access of `ended` has ended, and `gone` of those have ended altogether, `forced`
    of these by force. An attempt at `failing` others failed, last with `last_error`; the rest waits
    for one.
    """

    total: int = 0
    ended: int = 0
    gone: int = 0
    forced: int = 0
    failing: int = 0
    last_error: str = ""

    @property
    def left(self) -> int:
        """Leases whose access may not have ended."""
        return self.total - self.ended

    @property
    def waiting(self) -> int:
        """Those of them that were not tried yet."""
        return self.left - self.failing

    def __add__(self, other: "Progress") -> "Progress":
        """Both together."""
        return Progress(
            total=self.total + other.total,
            ended=self.ended + other.ended,
            gone=self.gone + other.gone,
            forced=self.forced + other.forced,
            failing=self.failing + other.failing,
            last_error=self.last_error or other.last_error,
        )


class LeaseStore(Protocol):
    """Durable leases. Raises Unavailable when the disk refuses a write."""

    deployment_id: str
    saved_anchor: Anchor | None

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Call `wake` on the event loop after each batch of writes."""

    async def close(self) -> None:
        """Finish what was handed in, then let go."""

    async def write(self, change: Change) -> None:
        """Make one change durable. Raises Conflict, LimitReached, Unavailable."""

    async def write_many(self, changes: Sequence[Change]) -> list[Change]:
        """Make many changes durable at once; returns those that were not refused."""

    async def record(self, *events: Event) -> None:
        """Audit (and publish, where the type asks for it) events that change no lease."""

    def record_soon(self, *events: Event) -> None:
        """Have events audited with the next write, or in a moment by themselves.

        Nobody waits for that, and a crash before it loses them.
        """

    async def keep(
        self, documents: Sequence[Document], *events: Event, may_delay_audit: bool = False
    ) -> None:
        """Make documents durable in one transaction with the events that tell of them.

        With `may_delay_audit` also when the audit cannot be written, as for a `Change`.
        """

    async def document(self, kind: str, name: str) -> Document | None:
        """One document. Raises Unavailable when it does not open."""

    async def documents(self, kind: str) -> list[Document]:
        """All documents of a kind, by name. Raises Unavailable when one does not open."""

    async def sound_documents(self, kind: str) -> list[Document]:
        """Those of a kind that open, by name; the log names the others."""

    async def recipe(self, recipe_id: str) -> Recipe:
        """A kept recipe. Raises NotFound."""

    async def get(self, lease_id: str) -> Lease | None:
        """One lease, tombstones included. A damaged row raises Unavailable."""

    async def by_middle(self, middles: Sequence[str]) -> Mapping[str, Lease | None]:
        """Leases by what the names of their accounts bear of their ids, tombstones included.

        None is a lease whose row was damaged; what has no row at all is missing.
        """

    async def held_by(self, holder: str, limit: int) -> list[Lease]:
        """Leases that are bound to `holder` and do not end yet."""

    async def live(self, kind: Kind) -> Mapping[str, int]:
        """How many live leases each of them has that has any, such as each identity."""

    async def first_end_ms(self, kind: Kind, name: str) -> int | None:
        """The earliest deadline of its live leases, None without any. Reads all of them."""

    async def holders_bound(self) -> list[str]:
        """Holders of leases that do not end yet, other than tokens."""

    async def live_engines(self) -> list[str]:
        """Names of the engines that a live lease belongs to."""

    async def due(
        self, engine: str, now_ms: int, limit: int, after: Lease | None = None
    ) -> list[Lease]:
        """Up to `limit` leases of `engine` whose `next_ms` has come, oldest first.

        With `after`, the last one of the page before, only those that come behind it.
        """

    async def stuck(self, engine: str, now_ms: int, limit: int) -> list[Lease]:
        """Leases of `engine` that wait for another attempt after `now_ms`, oldest deadline first.

        Those are the ones in state revoking or disabled that are neither quarantined nor waiting
        for a second look; a target that came back is drained of them at once (rule Q3).
        """

    async def next_ms(self, engine: str) -> int | None:
        """The next instant at which a lease of `engine` is due."""

    async def pending(self) -> list[Lease]:
        """Every lease in state pending: after a start, what a crash left behind."""

    async def find(
        self,
        *,
        prefix: str = "",
        identities: Sequence[str] | None = None,
        states: Sequence[LeaseState] | None = None,
        after: str = "",
        limit: int = 500,
    ) -> list[Lease]:
        """Leases by prefix of their id, in order of ids behind `after`."""

    async def ids(
        self,
        *,
        prefix: str = "",
        identities: Sequence[str] | None = None,
        states: Sequence[LeaseState] | None = None,
        limit: int = 500,
    ) -> list[str]:
        """Ids of the leases that `find` finds, many times as fast: their rows are not verified."""

    async def holders(self) -> Mapping[tuple[str, str], Mapping[str, int]]:
        """Live leases by identity, for each mount and role that has any."""

    async def beyond(self, mount: str, role: str, span_ms: int) -> int:
        """Live leases of a role that end later than `span_ms` after they were issued."""

    async def progress(
        self, prefix: str, *, at_ms: int | None = None, before_generation: int | None = None
    ) -> Progress:
        """How far the end of leases below `prefix` has come.

        Of those that were live at `at_ms`, or else that are live now; and of an older generation
        only, if `before_generation` is given. An attempt is one since `at_ms`.
        """

    async def irrevocable(self, identities: Sequence[str] | None, limit: int) -> list[Lease]:
        """Live leases that are overdue or quarantined, the oldest deadline first."""

    async def irrevocable_by_mount(self, identities: Sequence[str] | None) -> Mapping[str, int]:
        """How many of them there are on each mount that has any."""

    async def counts(self) -> Counts:
        """How many there are; costs the same for ten leases and for a million."""

    async def outbox(self, limit: int) -> list[OutboxEntry]:
        """The oldest events that wait for subscribers. A damaged one raises Unavailable."""

    async def outbox_size(self) -> int:
        """How many events wait for subscribers."""

    async def published(self, seq: int) -> None:
        """Subscribers have all events up to and including `seq`."""

    async def checkpoint(self) -> AuditHead | None:
        """The last line of the audit, by the last commit; None before the first (rule AU4)."""

    async def live_recipes(self) -> list[str]:
        """Ids of the recipes that a live lease needs."""
