"""Renew, look-up and count while many leases are live, and what a renewal costs beside bare.

The leases are put into the store and their accounts made at the target, by scripts; the daemon has
looked for drift before it is asked anything.
"""

import random

from bench.process import pid_of, wait_for_rest
from bench.report import Budget, Figure, percentile
from bench.scale import Scale
from bench.world import World

LIVE = 10_000
P99 = Budget("ours", most=10)


def measure(world: World, scale: Scale) -> list[Figure]:
    figures = _measure(world, scale, LIVE, P99)
    for count in scale.stores:
        if count > LIVE * 10:
            many = _measure(world, scale, count, None)
            figures += [_beside(few, more) for few, more in zip(figures, many, strict=True)]
    return figures


def _measure(world: World, scale: Scale, live: int, budget: Budget | None) -> list[Figure]:
    n = scale.looks
    look, count, renew = (
        Figure(f"{what}, {live:,} live, p99", "ms", n, budget)
        for what in ("look-up", "status and count", "renew")
    )
    stopped, written = world.filled(live)
    world.postgres.make_accounts(list(written.accounts))
    some = random.Random(1).sample(range(live), n)
    ids = [written.ids[place] for place in some]
    names = [written.accounts[place] for place in some]
    looks = [("PUT", "/v1/sys/leases/lookup", {"lease_id": lease_id}) for lease_id in ids]
    counts = [("GET", "/v1/leasehold/status", None)] * n
    renews = [
        ("PUT", "/v1/sys/leases/renew", {"lease_id": lease_id, "increment": 3600})
        for lease_id in ids
    ]
    with world.serving(stopped.folder.name) as (daemon, callers):
        wait_for_rest(pid_of(daemon))
        callers.do("ask", callers=1, requests=counts[:50])
        for _ in range(scale.rounds):
            for figure, requests in ((look, looks), (count, counts)):
                spans = callers.do("ask", callers=1, requests=requests)["spans_s"]
                figure.add(percentile(spans, 0.99) * 1000)
            ours = callers.do("ask", callers=1, requests=renews)["spans_s"]
            bare = world.bare.do("renew", names=names)["spans_s"]
            renew.add(percentile(ours, 0.99) * 1000, percentile(bare, 0.99) * 1000)
    world.clear()
    return [look, count, renew]


def _beside(few: Figure, many: Figure) -> Figure:
    """What `many` leases cost beside `few`, which stand where bare psycopg does elsewhere."""
    return Figure(
        f"{many.name} beside {LIVE:,}",
        many.unit,
        many.n,
        Budget("ratio", most=1.5),
        many.ours,
        few.ours,
    )
