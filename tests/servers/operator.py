"""An operator at the command line of a running daemon, for tests."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from servers.daemon import Daemon


def offline(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A command that asks no daemon."""
    command = [sys.executable, "-m", "leasehold", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def leasehold(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "leasehold", *arguments, "--socket", str(daemon.socket)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def asked(daemon: Daemon, *arguments: str) -> Any:
    done = leasehold(daemon, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def audited(daemon: Daemon) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (daemon.state / "audit.jsonl").read_text().splitlines()]
