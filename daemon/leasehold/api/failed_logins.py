"""How many logins of one peer may fail before it has to wait. Pure but for its clock.

Guesses are hopeless anyway; this keeps a peer from filling the audit, and from having issuers asked
again and again.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Callable

from leasehold.errors import LimitReached

MOST = 10
WINDOW_S = 60.0
REMEMBERED = 4_096


class FailedLogins:
    """Remembers the last failures by peer. `clock` returns seconds, monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, peer: str) -> None:
        """Raise LimitReached for a peer that failed `MOST` times within `WINDOW_S`."""
        failed = self._failed.get(peer)
        if failed and len(failed) == MOST and (left_s := failed[0] + WINDOW_S - self._clock()) > 0:
            raise LimitReached(
                f"{MOST} logins failed within {WINDOW_S:g} s; wait, and mend what is sent",
                retry_after_s=math.ceil(left_s),
            )

    def failed(self, peer: str) -> None:
        """Note a failure."""
        times = self._failed.pop(peer, deque(maxlen=MOST))
        times.append(self._clock())
        self._failed[peer] = times
        if len(self._failed) > REMEMBERED:
            self._failed.popitem(last=False)
