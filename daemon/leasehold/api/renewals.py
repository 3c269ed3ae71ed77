"""Telling a refused renewal apart from the same one repeated at once. Pure but for its clock.

Many releases of Vault's and OpenBao's Go clients do not wait between renewals that fail with 400:
one of them sent 22,000 requests in four seconds. They do wait on 429 with Retry-After. So a lease's
first failure is answered with its reason, and a repetition within `QUIET_S` with 429.
"""

from collections import OrderedDict
from collections.abc import Callable

from leasehold.errors import LimitReached

QUIET_S = 5.0
RETRY_AFTER_S = 1
REMEMBERED = 4_096


class FailedRenewals:
    """Remembers the last failures by caller (`Caller.who`) and lease.

    `clock` returns seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed: OrderedDict[tuple[str, str], float] = OrderedDict()

    def failed(self, who: str, lease_id: str) -> None:
        """Note a failure. Raises LimitReached when the last one is not `QUIET_S` ago."""
        now, key = self._clock(), (who, lease_id)
        last = self._failed.pop(key, None)
        self._failed[key] = now
        if len(self._failed) > REMEMBERED:
            self._failed.popitem(last=False)
        if last is not None and now - last < QUIET_S:
            raise LimitReached(
                f"this renewal failed {now - last:.1f} s ago already; ask for a new credential",
                retry_after_s=RETRY_AFTER_S,
            )

    def succeeded(self, who: str, lease_id: str) -> None:
        """Forget the failures of a lease."""
        self._failed.pop((who, lease_id), None)
