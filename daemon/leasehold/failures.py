"""How often somebody may fail before it has to wait. Pure but for its clock.

What fails is audited, so who fails without end would fill the disk; a failed login may also have
asked an issuer. Who is counted is up to those who ask, and one that failed too often is told before
anything is written.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from leasehold.errors import LimitReached

WINDOW_S = 60.0
REMEMBERED = 4_096


class Failures:
    """Remembers the last `most` failures by peer.

    `clock` returns seconds, monotonic. `told` says what has failed: `logins failed`.
    """

    def __init__(self, clock: Callable[[], float], most: int, told: str) -> None:
        self._clock = clock
        self._most = most
        self._told = told
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, peer: str) -> None:
        """Raise LimitReached for a peer that failed `most` times within `WINDOW_S`."""
        failed: Sequence[float] = self._failed.get(peer, ())
        if len(failed) == self._most and (left_s := failed[0] + WINDOW_S - self._clock()) > 0:
            raise LimitReached(
                f"{self._most} {self._told} within {WINDOW_S:g} s; wait, and mend what is sent",
                retry_after_s=math.ceil(left_s),
            )

    def failed(self, peer: str) -> None:
        """Note a failure."""
        times = self._failed.pop(peer, deque(maxlen=self._most))
        times.append(self._clock())
        self._failed[peer] = times
        if len(self._failed) > REMEMBERED:
            self._failed.popitem(last=False)
