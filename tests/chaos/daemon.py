"""The daemon under test: started, killed by its pid, armed with failpoints while it runs."""

import json
import os
import time
from pathlib import Path
from typing import Any

from chaos.facts import Process
from chaos.world import World
from servers.daemon import Daemon

TESTS = Path(__file__).resolve().parents[1]
Points = dict[str, dict[str, Any]]


class ChaosDaemon(Daemon):
    """One state directory, and the process that serves it now.

    With `planted` it has that bug, with `clock` it reads the time that the file there pretends.
    """

    def __init__(
        self,
        folder: Path,
        world: World,
        *,
        planted: str = "",
        clock: Path | None = None,
        policy: str = "",
        flags: tuple[str, ...] = (),
    ) -> None:
        env = {**world.passwords, "PYTHONPATH": str(TESTS), "CHAOS_PLANTED": planted}
        if clock is not None:
            env["CHAOS_CLOCK"] = str(clock)
        super().__init__(
            folder, env, policy=policy or world.policy(), mqtt=world.broker.url, flags=flags
        )
        if planted or clock is not None:
            self.program = ("-m", "chaos.start")
        self.started_at = 0.0

    def run(self, points: Points | None = None, *, wait: bool = True) -> None:
        """Start it, with failpoints that can be changed while it runs."""
        self.started_at = time.monotonic()
        self.start(failpoints=points or {}, wait=wait)

    def met(self, point: str) -> bool:
        """Whether the daemon acted on `point` since it was told what to act on."""
        met = self.failpoints.with_suffix(".met")
        return met.exists() and point in met.read_text().splitlines()

    def arm(self, points: Points) -> None:
        """Have the running daemon act on these, and no others."""
        self.failpoints.with_suffix(".met").unlink(missing_ok=True)
        fresh = self.failpoints.with_suffix(".new")
        fresh.write_text(json.dumps(points))
        fresh.chmod(0o600)
        fresh.rename(self.failpoints)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def facts(self) -> Process | None:
        """What the kernel says of it; None when it runs no more, or belongs to somebody else."""
        assert self.process is not None
        about = Path(f"/proc/{self.process.pid}")
        try:
            status = dict(
                line.split(":", 1) for line in (about / "status").read_text().splitlines()
            )
            links = [os.readlink(entry) for entry in (about / "fd").iterdir()]
        except OSError:
            return None
        return Process(
            descriptors=len(links),
            threads=int(status["Threads"]),
            sockets=sum(link.startswith("socket:") for link in links),
            resident_mb=int(status["VmRSS"].split()[0]) / 1024,
        )
