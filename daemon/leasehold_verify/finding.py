"""What a check found, and the time that checks go by."""

import time
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: which check, whether all is well, and what was seen."""

    check: str
    ok: bool
    text: str

    def __str__(self) -> str:
        return f"{'ok   ' if self.ok else 'ALARM'} {self.check}: {self.text}"


def wall_s() -> float:
    """Seconds since the epoch, by the wall clock."""
    return time.clock_gettime(time.CLOCK_REALTIME)


def boot() -> tuple[str, int]:
    """Which boot this is, and how many milliseconds it has lasted, suspend included."""
    return _BOOT_ID.read_text().strip(), time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
