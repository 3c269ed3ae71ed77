"""Named places where a test may kill the daemon or make it fail; nothing in production.

`hit` and `reach` do nothing unless `arm` was called at start with a specification file, which the
command line does only when `LEASEHOLD_FAILPOINTS` names one that root or the daemon's user owns and
nobody else may write. The API cannot reach it. Once armed, a file that has changed is read anew.

A specification is JSON: `{"issue.created": {"action": "kill", "after": 3, "times": 1}}`. `after`
counts the hits that pass first, `times` those that are acted on then (without it, all). Which they
were is told in a file beside the specification, with the suffix `.met`. `action` is

    kill              SIGKILL to ourselves
    raise, full       OSError: EIO, ENOSPC
    drop-connection   ConnectionResetError: the other side is gone, the outcome unknown
    defect            RuntimeError: what nobody expects there
    cancel            CancelledError
    sleep, hang       wait for `seconds`, or for an hour
"""

import asyncio
import errno
import json
import os
import signal
import stat
import time
from pathlib import Path
from typing import Any

from leasehold.errors import ConfigError

ACTIONS = ("kill", "raise", "full", "drop-connection", "defect", "cancel", "sleep", "hang")
HANG_S = 3600.0
Points = dict[str, dict[str, Any]]


class _Armed:
    """The specification at `path`, as it was when it was last read. Raises ConfigError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[int, ...] = ()
        self._points: Points = {}
        self._look()

    def _look(self) -> None:
        try:
            info = self._path.stat()
            known = (info.st_ino, info.st_mtime_ns, info.st_size)
            if known != self._known:
                self._points, self._known = _read(self._path, info), known
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"{self._path}: not a readable failpoint specification") from error

    def act(self, name: str) -> float:
        """Do what is asked for at `name`, but for waiting; returns how long to wait."""
        self._look()
        point = self._points.get(name)
        if point is None or point.get("times") == 0:
            return 0.0
        if point.get("after", 0) > 0:
            point["after"] -= 1
            return 0.0
        if "times" in point:
            point["times"] -= 1
        with self._path.with_suffix(".met").open("a") as met:
            met.write(f"{name}\n")
        match point["action"]:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "raise":
                raise OSError(errno.EIO, f"failpoint {name}")
            case "full":
                raise OSError(errno.ENOSPC, f"failpoint {name}")
            case "drop-connection":
                raise ConnectionResetError(f"failpoint {name}")
            case "defect":
                raise RuntimeError(f"failpoint {name}")
            case "cancel":
                raise asyncio.CancelledError
            case "sleep":
                return float(point["seconds"])
        return HANG_S


_armed: _Armed | None = None


def hit(name: str) -> None:
    """Pass the place called `name`; may not return when a test armed it.

    Waiting holds up the whole thread.
    """
    if _armed is not None and (wait_s := _armed.act(name)):
        time.sleep(wait_s)


async def reach(name: str) -> None:
    """As `hit`, in a coroutine: waiting holds up this one only."""
    if _armed is not None and (wait_s := _armed.act(name)):
        await asyncio.sleep(wait_s)


def arm(path: Path) -> None:
    """Read the specification at `path`, and have `hit` and `reach` act on it.

    Raises ConfigError when the file is missing, broken, or writable by others.
    """
    global _armed
    _armed = _Armed(path)


def disarm() -> None:
    """Make `hit` and `reach` do nothing again."""
    global _armed
    _armed = None


def _read(path: Path, info: os.stat_result) -> Points:
    if info.st_uid not in (0, os.geteuid()) or info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(f"{path}: failpoints must be owned by root or us, writable by no other")
    points: Points = json.loads(path.read_text())
    if not {point["action"] for point in points.values()} <= set(ACTIONS):
        raise ConfigError(f"{path}: unknown action; allowed are {', '.join(ACTIONS)}")
    return points
