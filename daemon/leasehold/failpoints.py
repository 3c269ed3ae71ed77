"""Named places where a test may kill the daemon or make it fail; nothing in production.

`hit` is an empty function unless `arm` was called at start with a specification file, which the
command line does only when `LEASEHOLD_FAILPOINTS` names one that root or the daemon's user owns and
nobody else may write. The API cannot reach it.

A specification is JSON: `{"issue.created": {"action": "kill", "after": 3}}`; `after` counts the
hits that pass first, `action` is one of `kill` (SIGKILL to ourselves), `raise` (an OSError), `full`
(ENOSPC), `sleep` (seconds in `seconds`).
"""

import errno
import json
import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leasehold.errors import ConfigError

ACTIONS = ("kill", "raise", "full", "sleep")
_active: dict[str, dict[str, Any]] = {}


def _nothing(name: str) -> None:
    pass


def _act(name: str) -> None:
    point = _active.get(name)
    if point is None:
        return
    if point.get("after", 0) > 0:
        point["after"] -= 1
        return
    action = point["action"]
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "raise":
        raise OSError(errno.EIO, f"failpoint {name}")
    elif action == "full":
        raise OSError(errno.ENOSPC, f"failpoint {name}")
    elif action == "sleep":
        time.sleep(point["seconds"])


_action: Callable[[str], None] = _nothing


def hit(name: str) -> None:
    """Pass the place called `name`; may not return when a test armed it."""
    _action(name)


def arm(path: Path) -> None:
    """Read the specification at `path` and make `hit` act on it.

    Raises ConfigError when the file is missing, broken, or writable by others.
    """
    global _action
    try:
        info = path.stat()
        if info.st_uid not in (0, os.geteuid()) or info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigError(
                f"{path}: failpoints must be owned by root or us, writable by no other"
            )
        points = json.loads(path.read_text())
        known = [point["action"] in ACTIONS for point in points.values()]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path}: not a readable failpoint specification") from error
    if not all(known):
        raise ConfigError(f"{path}: unknown action; allowed are {', '.join(ACTIONS)}")
    _active.clear()
    _active.update(points)
    _action = _act


def disarm() -> None:
    """Make `hit` empty again."""
    global _action
    _active.clear()
    _action = _nothing
