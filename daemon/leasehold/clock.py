"""The only reader of time (rules C1 to C4 and C7).

Leases are measured in *lease time*: milliseconds since the epoch that only ever move forward.
Within one boot lease time follows CLOCK_BOOTTIME, which counts suspend and ignores every step of
the wall clock. Across boots it follows the wall clock, but never back behind the last instant that
was written down. So a clock that is set, restored or dead can never extend a lease.

The wall clock is what people and targets see. The offset between the two is kept here; a step of
more than `SUSPECT_MS` makes the clock suspect (no credential may be issued, since its expiry at the
target would be wrong) until the wall clock has kept its new course for `SETTLE_MS`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

SUSPECT_MS = 30_000
SETTLE_MS = 60_000
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Anchor:
    """One instant on every clock, written down so that a later process can carry on from it."""

    boot_id: str
    boot_ms: int
    lease_ms: int
    wall_ms: int


class Clock(Protocol):
    """What the rest of the daemon knows about time."""

    def now_ms(self) -> int:
        """Lease time now, in milliseconds; never less than before."""

    def wall(self, lease_ms: int) -> datetime:
        """The instant `lease_ms` as people and targets see it, in UTC."""

    def anchor(self) -> Anchor:
        """This instant, to be written down."""

    @property
    def suspect(self) -> bool:
        """Whether the wall clock stepped and has not settled."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Where time is read; tests replace it."""

    boot_id: Callable[[], str] = lambda: _BOOT_ID.read_text().strip()
    boot_ms: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000


def lease_time(clock: Clock) -> Callable[[str], int]:
    """What turns an instant of the wall clock, in ISO 8601 and UTC, into lease time."""
    offset_ms = round(clock.wall(0).timestamp() * 1000)
    return lambda text: round(datetime.fromisoformat(text).timestamp() * 1000) - offset_ms


def seconds_until(instant: datetime) -> float:
    """How far off `instant` is by the wall clock; for targets that take an expiry as a duration."""
    return instant.timestamp() - Readings().wall_ms() / 1000


class SystemClock:
    """Lease time from the kernel's clocks, carried on from `saved` when there is one."""

    def __init__(self, saved: Anchor | None = None, readings: Readings | None = None) -> None:
        self._read = readings or Readings()
        self._boot_id = self._read.boot_id()
        self._boot_start = boot = self._read.boot_ms()
        wall = self._read.wall_ms()
        if saved is None:
            self._lease_start = wall
        elif saved.boot_id == self._boot_id:
            self._lease_start = saved.lease_ms + max(0, boot - saved.boot_ms)
        else:
            self._lease_start = saved.lease_ms + max(0, wall - saved.wall_ms)
        self._offset_ms = wall - self._lease_start
        self._stepped: tuple[int, int] | None = None  # (new offset, lease time it was first seen)
        if saved is not None:
            # A wall clock that went back while nobody looked is as doubtful as one that steps.
            self._offset_ms = saved.wall_ms - saved.lease_ms
            self.check()

    def now_ms(self) -> int:
        """Lease time now, in milliseconds."""
        return self._lease_start + self._read.boot_ms() - self._boot_start

    def wall(self, lease_ms: int) -> datetime:
        """The instant `lease_ms` on the wall clock, in UTC."""
        return datetime.fromtimestamp((lease_ms + self._offset_ms) / 1000, UTC)

    def anchor(self) -> Anchor:
        """This instant on every clock."""
        now = self.now_ms()
        return Anchor(self._boot_id, self._read.boot_ms(), now, now + self._offset_ms)

    @property
    def suspect(self) -> bool:
        """Whether the wall clock stepped and has not settled."""
        return self._stepped is not None

    def check(self) -> bool:
        """Compare the wall clock with boot time; true when `suspect` changed.

        To be called about once a second. A small drift is taken over at once; a step is taken over
        when it has held for SETTLE_MS, or when it went away.
        """
        before = self.suspect
        now = self.now_ms()
        offset = self._read.wall_ms() - now
        if abs(offset - self._offset_ms) <= SUSPECT_MS:
            self._offset_ms = offset
            self._stepped = None
        elif self._stepped is None or abs(offset - self._stepped[0]) > SUSPECT_MS:
            self._stepped = (offset, now)
        elif now - self._stepped[1] >= SETTLE_MS:
            self._offset_ms = offset
            self._stepped = None
        return self.suspect != before

    def acknowledge(self) -> None:
        """Take the wall clock as it is now: an operator says that it is right."""
        self._offset_ms = self._read.wall_ms() - self.now_ms()
        self._stepped = None


def rfc3339(at: datetime) -> str:
    """An instant in UTC for replies and events, to the millisecond, as Go clients parse it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
