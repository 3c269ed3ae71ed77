"""After six attempts to take an account away there is no other one."""

from dataclasses import replace
from typing import Any

from leasehold.leases import lifecycle
from leasehold.model import Lease

LIMIT = 6
NEVER_MS = 10 * 365 * 86_400_000


def install() -> None:
    fail, disable = lifecycle.fail, lifecycle.disable

    def given_up(lease: Lease) -> Lease:
        if lease.attempts <= LIMIT or lease.next_ms is None:
            return lease
        return replace(lease, next_ms=lease.next_ms + NEVER_MS, quarantined=True)

    def bad_fail(*args: Any, **how: Any) -> Lease:
        return given_up(fail(*args, **how))

    def bad_disable(*args: Any, **how: Any) -> Lease:
        return given_up(disable(*args, **how))

    lifecycle.fail, lifecycle.disable = bad_fail, bad_disable
