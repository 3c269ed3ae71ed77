"""What a census found, as values; the invariants are functions over these. Pure.

Instants are milliseconds: `…_ms` of a row are lease time, as the ledger keeps it, `boot_ms` is
CLOCK_BOOTTIME, as clients measure how long a credential was promised to them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

ENDED = "revoked"


@dataclass(frozen=True)
class Row:
    """A lease as the ledger has it. `reason` is what it was asked for with: the client's nonce."""

    id: str
    state: str
    engine: str
    account: str
    issued_ms: int
    expires_ms: int
    max_expires_ms: int
    version: int = 1
    overdue: bool = False
    reason: str = ""
    cause: str = ""
    ended_ms: int | None = None

    @property
    def live(self) -> bool:
        """Whether its account may stand."""
        return self.state != ENDED


@dataclass
class Told:
    """What the audit says of one lease, in order; `deadlines` are the ends it was told to have."""

    account: str = ""
    events: list[str] = field(default_factory=list)
    deadlines: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Head:
    """A line of the audit: its number and its MAC."""

    seq: int
    mac: str


@dataclass(frozen=True)
class Process:
    """What the kernel says of the daemon's process, so long after it was started."""

    descriptors: int
    threads: int
    sockets: int
    resident_mb: float


@dataclass(frozen=True, kw_only=True)
class Census:
    """All there is at one moment, read from outside.

    `accounts` says of each account with our prefix at each engine whether it may log in; `opened`
    of some whether a login with the client's password went through. What changed while it was
    counted is in `moving`, by lease id, and says nothing. `waiting` are numbers of events in the
    outbox, `numbered` is the highest number ever given, `heard` what the subscriber got, as it
    came (None without a broker). `reported` are accounts that the daemon told of as orphans.
    """

    at_ms: int
    boot_ms: int
    rows: Mapping[str, Row] = field(default_factory=dict)
    moving: frozenset[str] = frozenset()
    accounts: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    opened: Mapping[str, bool] = field(default_factory=dict)
    told: Mapping[str, Told] = field(default_factory=dict)
    audit_faults: Sequence[str] = ()
    audit_head: Head = Head(0, "")
    store_head: Head = Head(0, "")
    line_at_store_head: Head = Head(0, "")
    delayed: int = 0
    waiting: Sequence[int] = ()
    numbered: int = 0
    heard: Sequence[int] | None = None
    reported: frozenset[str] = frozenset()
    damage: Sequence[str] = ()
    leaks: Sequence[str] = ()
    process: Process | None = None


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept: which, and what was seen."""

    invariant: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"
