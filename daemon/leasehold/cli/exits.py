"""The exit codes of the command line, one meaning each (docs/decisions/0011-exit-codes.md)."""

from collections.abc import Mapping

FAILED = 1
"""Wrong usage, no daemon to ask, refused or failed."""
DIFFERS = 2
"""Something is not as it should be: changes, differences, accounts that are overdue."""
DENIED = UNSAFE = 3
STALE = 4
LOCKED = 5
BAD_POLICY = 6
PARTLY = 7
"""Partly done; running it again is safe."""

OF_ERRORS: Mapping[str, int] = {
    "unsafe": UNSAFE,
    "stale": STALE,
    "locked": LOCKED,
    "policy": BAD_POLICY,
}
"""By the code of an error; FAILED for all others."""
