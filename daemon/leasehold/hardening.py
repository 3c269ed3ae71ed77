"""What the daemon's process denies to others (rules L3, L4)."""

import ctypes
import os
import resource

_PR_SET_DUMPABLE = 4


def harden() -> None:
    """Files for nobody else, no core dump, no reading of our memory by our own uid."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
