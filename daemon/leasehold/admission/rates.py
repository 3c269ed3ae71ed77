"""How fast each identity may have new leases: a token bucket each, in memory. Pure.

A bucket is kept as the instant at which it would be full again (the "theoretical arrival time" of
the generic cell rate algorithm, ITU-T I.371): one number, that needs no refilling, and that goes on
to mean the same when the policy changes the rate. Instants are lease time, which never goes back.
"""

import math

from leasehold.quota import Rate

ROUNDING_MS = 1e-3
"""What sums of fractions may be off by, in milliseconds."""


class IssueRates:
    """The buckets of all identities. After a start they are full."""

    def __init__(self) -> None:
        self._full_ms: dict[str, float] = {}

    def take(self, identity: str, rate: Rate, now_ms: int) -> float:
        """Take one token and return 0, or take none and return the seconds until there is one."""
        full_ms = max(self._full_ms.get(identity, 0.0), float(now_ms)) + rate.pause_s * 1000
        over_ms = full_ms - now_ms - rate.span_s * 1000
        if over_ms > ROUNDING_MS:
            return over_ms / 1000
        self._full_ms[identity] = full_ms
        return 0.0

    def used(self, identity: str, rate: Rate, now_ms: int) -> int:
        """How many tokens of `rate.count` are not there now."""
        missing_ms = max(0.0, self._full_ms.get(identity, 0.0) - now_ms - ROUNDING_MS)
        return min(rate.count, math.ceil(missing_ms / 1000 / rate.pause_s))
