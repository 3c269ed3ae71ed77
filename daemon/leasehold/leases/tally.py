"""How many live leases there are, by what limits and overviews ask for. Pure.

A store keeps the tally in step with every change, so that neither costs more for a million leases
than for ten.
"""

from collections import Counter

from leasehold.errors import QuotaReached
from leasehold.leases.store import Change
from leasehold.model import Lease, LeaseState
from leasehold.quota import MAX_LEASES, Kind

Tally = Counter[tuple[str, str]]
"""Counts by kind and name."""


def holders(lease: Lease) -> list[tuple[Kind, str]]:
    """Whose a live lease is, by what limits there are."""
    return [
        (Kind.ROLE, lease.path),
        (Kind.MOUNT, lease.mount),
        (Kind.ENGINE, lease.engine),
        (Kind.TENANT, lease.tenant),
        (Kind.IDENTITY, lease.identity),
    ]


def counted(lease: Lease) -> list[tuple[str, str]]:
    """Where a lease counts: its state always, the rest while its account may stand."""
    counted = [("state", lease.state.value)]
    if lease.state is not LeaseState.REVOKED:
        counted += [(kind.value, name) for kind, name in holders(lease)]
        counted.append(("recipe", lease.recipe_id))
        if lease.overdue:
            counted.append(("flag", "overdue"))
        if lease.quarantined:
            counted.append(("flag", "quarantined"))
    return counted


def is_whole(tally: Tally) -> bool:
    """Whether each live lease counts once for everybody whose it is.

    It does not where an older leasehold, which counted less, kept the tally.
    """
    sums: Counter[str] = Counter()
    for (kind, name), count in tally.items():
        if (kind, name) != ("state", LeaseState.REVOKED):
            sums[kind] += count
    return all(sums[kind] == sums["state"] for kind in (*Kind, "recipe"))


def check_limits(change: Change, tally: Tally) -> None:
    """Raise QuotaReached when the lease of `change` is one too many for those whose it becomes."""
    old = [] if change.old is None else holders(change.old)
    for kind, name in holders(change.new):
        if (kind, name) in old:
            continue
        most = change.limits.get(kind)
        if most is not None and tally[kind, name] >= most:
            raise QuotaReached(
                f"{kind} {name} has {tally[kind, name]} live leases of {most} allowed",
                kind=kind,
                name=name,
                what=MAX_LEASES,
                used=tally[kind, name],
                most=most,
            )
