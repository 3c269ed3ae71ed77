"""Accounts that a daemon has made ahead."""

import time

from servers.daemon import Daemon
from servers.operator import leasehold

DEADLINE_S = 120.0


def wait_until_full(daemon: Daemon, path: str, count: int) -> None:
    """Return when so many accounts of the role at `path` wait. Raises RuntimeError in the end."""
    figure = f'leasehold_warm_accounts{{role="{path}"}} {count}.0'
    deadline = time.monotonic() + DEADLINE_S
    while figure not in leasehold(daemon, "metrics").stdout:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{path} has not {count} accounts made ahead after {DEADLINE_S} s")
        time.sleep(0.2)
