"""Lease time follows CLOCK_MONOTONIC, which stands still while the machine is suspended."""

import time

from leasehold import clock


def install() -> None:
    moved = clock.Readings

    def monotonic_ms() -> int:
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000_000

    class Bad(moved):  # type: ignore[misc,valid-type]
        def __init__(self) -> None:
            super().__init__()
            object.__setattr__(self, "boot_ms", monotonic_ms)

    clock.Readings = Bad  # type: ignore[misc]
