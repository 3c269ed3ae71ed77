"""`python -m chaos.start serve …`: the daemon with a planted bug, or on a clock that a file moves.

Production code has no switch for either: both are put in place here, before the daemon is run.
`CHAOS_PLANTED` names a module below `chaos.planted`, `CHAOS_CLOCK` the file of a `HarnessClock`.
"""

import importlib
import json
import os
import time
from pathlib import Path

from leasehold import clock
from leasehold.cli import main


def _move_clock(file: Path) -> None:
    def ahead(of: str) -> int:
        return int(json.loads(file.read_text())[of])

    def boot_ms() -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000 + ahead("boot_ms")

    def wall_ms() -> int:
        return time.time_ns() // 1_000_000 + ahead("wall_ms")

    class MovedReadings(clock.Readings):
        def __init__(self) -> None:
            super().__init__(boot_ms=boot_ms, wall_ms=wall_ms)

    clock.Readings = MovedReadings  # type: ignore[misc]


if __name__ == "__main__":
    if moved_by := os.environ.get("CHAOS_CLOCK"):
        _move_clock(Path(moved_by))
    if planted := os.environ.get("CHAOS_PLANTED"):
        importlib.import_module(f"chaos.planted.{planted}").install()
    main()
