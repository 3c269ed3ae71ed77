"""What a check found, with what is lacking for passwords that are to be rotated. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from leasehold.plugin import Health

REASON = "rights are missing"


def with_lacking(health: Health, lines: Sequence[str]) -> Health:
    """The health with these lines too, each told once."""
    if not lines:
        return health
    missing = tuple(dict.fromkeys((*health.missing, *lines)))
    return replace(health, ok=False, reason=health.reason or REASON, missing=missing)
