"""A circuit breaker for one target (rule Q3). Pure but for the clock it is given."""

from collections.abc import Callable

FAILURES = 3
"""Failures in a row that open the breaker."""
PROBE_S = 10.0
"""While it is open, one call may try the target in this time."""


class Breaker:
    """Closed while the target answers; open after three failures in a row.

    `clock` returns seconds that only move forward.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._probe_at = 0.0
        self.reason = ""

    @property
    def is_open(self) -> bool:
        """Whether the target counts as away."""
        return self._failures >= FAILURES

    @property
    def probe_due(self) -> bool:
        """Whether `allow` would let a call through."""
        return not self.is_open or self._clock() >= self._probe_at

    @property
    def probe_in_s(self) -> float:
        """Seconds until a call may try the target."""
        return max(0.0, self._probe_at - self._clock()) if self.is_open else 0.0

    def allow(self) -> bool:
        """Whether a call may go to the target now; while open this takes the one probe."""
        if not self.probe_due:
            return False
        if self.is_open:
            self._probe_at = self._clock() + PROBE_S
        return True

    def succeeded(self) -> None:
        """The target answered, be it with a no."""
        self._failures = 0
        self.reason = ""

    def failed(self, reason: str) -> None:
        """The target did not answer."""
        self._failures += 1
        self.reason = reason
        if self._failures == FAILURES:
            self._probe_at = self._clock() + PROBE_S
