"""Expiry: many leases that end in the same instant, until none of their accounts is left.

Bare psycopg drops as many accounts that were made alike, in batches as large, with the same look at
what hangs on them before and at their sessions afterwards. It knows their names; the daemon finds
out what is due. Neither waits for a deadline: the daemon's time begins when the leases end.
"""

import time

from bench.report import Budget, Figure
from bench.rows import write_leases
from bench.scale import Scale
from bench.world import World
from leasehold.expiry import BATCH

AHEAD_S = 2.0
PER_LEASE_S = 0.001
"""Few leases end before the daemon's first look for drift, many after it; not during it."""
POLL_S = 0.005
SETTLE_S = 0.5
_ANY_LEFT = "SELECT FROM pg_authid WHERE rolname >= 'lh' AND rolname < 'li' LIMIT 1"


def measure(world: World, scale: Scale) -> list[Figure]:
    return [_measure(world, scale, count) for count in scale.expiries]


def _measure(world: World, scale: Scale, count: int) -> Figure:
    budget = Budget("ratio", most=1.4) if count >= 10_000 else None
    figure = Figure(f"expiry of {count:,} at once", "s", count, budget)
    for number in range(scale.expiry_rounds):
        name = f"expiry-{count}-{number}"
        like = world.template(name)
        daemon = world.daemon(name)
        written = write_leases(daemon.state, like, count, AHEAD_S + count * PER_LEASE_S)
        world.postgres.make_accounts(list(written.accounts))
        daemon.start()
        world.use_revoking_pool(daemon)
        left_s = written.end - time.monotonic()
        if left_s < SETTLE_S:
            raise RuntimeError(f"the leases end in {left_s:.1f} s, before all was ready")
        time.sleep(left_s - SETTLE_S / 10)
        ours = _until_gone(world) - written.end
        world.wait_for_ledger(daemon, count + 1)
        daemon.stop()
        world.postgres.make_accounts(list(written.accounts))
        bare = world.bare.do("drop", names=written.accounts, batch=BATCH)["wall_s"]
        figure.add(ours, bare)
        world.clear()
    return figure


def _until_gone(world: World) -> float:
    with world.postgres.connect() as conn:
        while conn.execute(_ANY_LEFT).fetchall():
            time.sleep(POLL_S)
        return time.monotonic()
