"""What the daemon's process denies to others (rules L3, L4), and how it forgets what it knew."""

import ctypes
import os
import resource
import sys
from typing import NoReturn

_PR_SET_DUMPABLE = 4


def harden() -> None:
    """Files for nobody else, no core dump, no reading of our memory by our own uid."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def begin_anew() -> NoReturn:
    """Start this program again in this process, same pid, same words.

    The kernel throws the whole old address space away (execve(2)), which Python cannot do for a
    single value: it copies, and frees without wiping.
    """
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 (our own words)
