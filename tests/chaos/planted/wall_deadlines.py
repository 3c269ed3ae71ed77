"""Deadlines are compared with the wall clock."""

from leasehold.clock import SystemClock


def install() -> None:
    def bad(self: SystemClock) -> int:
        return self._read.wall_ms()

    SystemClock.now_ms = bad  # type: ignore[method-assign]
