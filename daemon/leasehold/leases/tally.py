"""How many live leases there are, by what limits and overviews ask for. Pure.

A store keeps the tally in step with every change, so that neither costs more for a million leases
than for ten.
"""

from collections import Counter

from leasehold.errors import LimitReached
from leasehold.leases.store import Change
from leasehold.model import Lease, LeaseState

Tally = Counter[tuple[str, str]]
"""Counts by kind and name."""


def counted(lease: Lease) -> list[tuple[str, str]]:
    """Where a lease counts: its state always, the rest while its account may stand."""
    counted = [("state", lease.state.value)]
    if lease.state is not LeaseState.REVOKED:
        counted += [
            ("role", lease.path),
            ("mount", lease.mount),
            ("engine", lease.engine),
            ("recipe", lease.recipe_id),
        ]
        if lease.overdue:
            counted.append(("flag", "overdue"))
        if lease.quarantined:
            counted.append(("flag", "quarantined"))
    return counted


def check_limits(change: Change, tally: Tally) -> None:
    """Raise LimitReached when the new lease of `change` would be one too many."""
    limits, lease = change.limits, change.new
    if limits is None:
        return
    for kind, name, limit in (
        ("role", lease.path, limits.role),
        ("mount", lease.mount, limits.mount),
    ):
        if limit is not None and tally[kind, name] >= limit:
            raise LimitReached(
                f"{kind} {name} has {tally[kind, name]} live leases of {limit} allowed;"
                " revoke some, or wait until some end"
            )
