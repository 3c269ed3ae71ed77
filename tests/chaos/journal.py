"""What clients asked for, and what they were told: the other half of the evidence.

A reply that never came leaves its request unknown: it may have happened. Each request for a lease
bears a nonce as its reason, so that whatever the ledger and the audit have of it leads back here.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a request for a lease, as its client sees it."""

    ASKED = "asked"
    HELD = "held"
    REFUSED = "refused"
    HUNG_UP = "hung up"
    """The client went away before the reply, and the daemon lived on."""
    UNKNOWN = "unknown"
    """The daemon died, or did not answer in time: it may have happened."""


@dataclass
class Ask:
    """A request for a lease, and since when its outcome is known, by boot time.

    `told` is why it was refused.
    """

    nonce: str
    engine: str
    outcome: Outcome = Outcome.ASKED
    since_ms: int = 0
    request_id: str = ""
    told: str = ""


@dataclass
class Held:
    """A credential that a client received, with the earliest and the latest end it was promised.

    Both differ by what the client cannot know. `ended` when the daemon said that it is over,
    `perhaps` when a request to end or renew it was never answered.
    """

    lease_id: str
    engine: str
    account: str
    password: str = field(repr=False)
    nonce: str
    earliest_ms: int
    latest_ms: int
    ended: bool = False
    perhaps: bool = False


class Journal:
    """Written by many clients at once; what a census reads, it reads while none of them asks."""

    def __init__(self) -> None:
        self.asks: dict[str, Ask] = {}
        self.held: dict[str, Held] = {}
        self.rows: set[str] = set()
        """Every lease that a census has ever found in the ledger."""
        self.failures: list[str] = []
        """Answers that no request may get, such as another one's reply."""
        self._lock = threading.Lock()

    def asked(self, engine: str, nonce: str) -> None:
        with self._lock:
            self.asks[nonce] = Ask(nonce, engine)

    def outcome(
        self, nonce: str, outcome: Outcome, at_ms: int, request_id: str = "", told: str = ""
    ) -> None:
        with self._lock:
            ask = self.asks[nonce]
            ask.outcome, ask.since_ms, ask.request_id = outcome, at_ms, request_id
            ask.told = told

    def received(self, held: Held, at_ms: int, request_id: str = "") -> None:
        self.outcome(held.nonce, Outcome.HELD, at_ms, request_id)
        with self._lock:
            if held.lease_id in self.held:
                self.failures.append(f"lease {held.lease_id} was handed out twice")
            self.held[held.lease_id] = held

    def failed(self, what: str) -> None:
        with self._lock:
            self.failures.append(what)

    def died(self, at_ms: int) -> None:
        """The daemon died; what it had 60 s for and had not done yet may have happened or not."""
        with self._lock:
            for ask in self.asks.values():
                if ask.outcome is Outcome.HUNG_UP and at_ms - ask.since_ms < 60_000:
                    ask.outcome = Outcome.UNKNOWN

    @property
    def issued(self) -> int:
        return len(self.held)

    def unknown(self) -> Iterator[Ask]:
        return (ask for ask in self.asks.values() if ask.outcome is Outcome.UNKNOWN)
