"""Time as the harness counts it: the kernel's clocks, moved by what a scenario pretends.

A daemon that is started by `chaos.start` reads the same file, so a suspend or a step of the wall
clock is seen by both. Without a file these are the kernel's clocks.
"""

import json
import time
from pathlib import Path


class HarnessClock:
    """`file` says by how much both clocks are ahead of the kernel's, in milliseconds."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._boot_ahead_ms = self._wall_ahead_ms = 0
        if file is not None:
            self._write()

    def boot_ms(self) -> int:
        """CLOCK_BOOTTIME, which goes on in a suspend and knows no steps."""
        now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        return now_ns // 1_000_000 + self._boot_ahead_ms

    def suspend(self, seconds: float) -> None:
        """Sleep for so long, as a laptop does: the wall clock and boot time go on."""
        self._boot_ahead_ms += int(seconds * 1000)
        self._wall_ahead_ms += int(seconds * 1000)
        self._write()

    def step(self, seconds: float) -> None:
        """Set the wall clock."""
        self._wall_ahead_ms += int(seconds * 1000)
        self._write()

    def _write(self) -> None:
        assert self.file is not None, "this clock is the kernel's"
        fresh = self.file.with_suffix(".new")
        fresh.write_text(
            json.dumps({"boot_ms": self._boot_ahead_ms, "wall_ms": self._wall_ahead_ms})
        )
        fresh.rename(self.file)
