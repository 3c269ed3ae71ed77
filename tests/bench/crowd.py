"""Many live accounts at once, at each kind of server: whether issue stays as fast as it was.

A daemon of its own for each server issues so many leases over its socket, on demand and from those
made ahead. Ours are the last hundreds of each, one caller; what is shown as bare are the first
hundreds, with next to no other account there. The same is taken of a bare driver that sends the
same statements, so that what the server itself costs can be told. Then all are revoked by one
order, and what is left at the server is counted.
"""

import os
import sys
import time
from statistics import median

from bench import crowded, shelf
from bench.crowded import Target
from bench.report import Budget, Figure
from bench.scale import Scale
from bench.worker import Worker
from bench.world import World
from servers.daemon import Daemon

HUNDRED = 100
ROUNDS = 3
WARM_UP = 20
CALLERS = 8
"""They fill up what is between the first hundreds and the last."""
ON_DEMAND, AHEAD = "crowd/creds/reader", "crowd/creds/ahead"
REVOKE = ("PUT", "/v1/sys/leases/revoke-prefix/crowd/creds", {"sync": False})
DEADLINE_S = 600.0
BUDGET = Budget("ratio", most=1.5)
POLICY = """\
engines:
  main:
    type: {target.kind}
    mount: crowd
    connection:
      url: "{target.url}"
      username: "{target.username}"
      password: env:BENCH_PASSWORD
roles:
  main/reader: {{{target.recipe}, default_ttl: 12h, max_ttl: 24h}}
  main/ahead: {{{target.recipe}, default_ttl: 12h, max_ttl: 24h, warm: {{accounts: {waiting}}}}}
lease_limits:
  crowd: {{max_leases: 200000, max_leases_per_role: 200000}}
identities:
  bench:
    owner: the-bench
    tenant: bench
    match: [{{unix: {{uid: {uid}}}}}]
access:
  - identities: [bench]
    paths: [crowd/creds/*]
    verbs: [issue, revoke, revoke-any, list]
  - identities: [bench]
    paths: ["*"]
    verbs: [operate]
"""


def measure(world: World, scale: Scale) -> list[Figure]:
    figures: list[Figure] = []
    for place in (crowded.postgresql, crowded.mariadb, crowded.redis):
        with place(world) as target:
            print(f"  at {target.kind}", file=sys.stderr, flush=True)
            figures += _crowd(world, target, scale.crowd)
    return figures


def _crowd(world: World, target: Target, count: int) -> list[Figure]:
    what = f"at {count:,}, {target.kind}"
    on_demand = Figure(f"issue {what}", "ms", HUNDRED, BUDGET)
    ahead = Figure(f"issue, made ahead, {what}", "ms", HUNDRED, BUDGET)
    bare = Figure(f"bare driver {what}", "ms", HUNDRED)
    gone = Figure(f"revocation of {count:,}, {target.kind}", "s", count)
    left = Figure(f"accounts left, {target.kind}", "", count, Budget("ours", most=0))
    figures = (on_demand, ahead, bare)
    policy = POLICY.format(target=target, uid=os.getuid(), waiting=HUNDRED)
    folder = world.folder / f"crowd-{target.kind}"
    daemon = Daemon(folder, {"BENCH_PASSWORD": target.password}, policy=policy).start()
    callers = Worker("bench.callers", socket=str(daemon.socket))
    try:
        _issue(callers, ON_DEMAND, WARM_UP)
        _empty(daemon, target)
        first = _hundreds(daemon, callers, target)
        _issue(callers, ON_DEMAND, count - 2 * 2 * ROUNDS * HUNDRED, CALLERS)
        last = _hundreds(daemon, callers, target)
        for before, now in zip(first, last, strict=True):
            for figure, ms, ms_before in zip(figures, now, before, strict=True):
                figure.add(ms, ms_before)
        _wait_until_settled(daemon, target, count)
        gone.add(_empty(daemon, target))
        left.add(len(target.accounts()) - HUNDRED)
    finally:
        callers.close()
        daemon.stop()
    return [*figures, gone, left]


def _hundreds(daemon: Daemon, callers: Worker, target: Target) -> list[tuple[float, float, float]]:
    """Medians in ms, round by round: of a hundred on demand, a hundred made ahead, and bare."""
    found = []
    for _ in range(ROUNDS):
        on_demand = _after_a_rest(daemon, callers, ON_DEMAND)
        ahead = _after_a_rest(daemon, callers, AHEAD)
        found.append((on_demand, ahead, target.bare.median_ms(HUNDRED)))
    return found


def _after_a_rest(daemon: Daemon, callers: Worker, path: str) -> float:
    shelf.wait_until_full(daemon, AHEAD, HUNDRED)
    return median(_issue(callers, path, HUNDRED)) * 1000


def _issue(callers: Worker, path: str, count: int, at_once: int = 1) -> list[float]:
    requests = [("GET", f"/v1/{path}", None)] * count
    spans: list[float] = callers.do("ask", callers=at_once, requests=requests)["spans_s"]
    return spans


def _empty(daemon: Daemon, target: Target) -> float:
    """Have all be revoked, and return how many seconds it took until the last account was gone.

    Afterwards only those stand that were made ahead meanwhile.
    """
    standing = {*target.accounts()}
    began = time.perf_counter()
    reply = daemon.request(*REVOKE)
    if reply.status not in (200, 202, 204):
        raise RuntimeError(f"revoke-prefix was answered with {reply.status}: {reply.text}")
    while not standing.isdisjoint(target.accounts()):
        if time.perf_counter() - began > DEADLINE_S:
            break
        time.sleep(0.1)
    took_s = time.perf_counter() - began
    _wait_until_settled(daemon, target, 0)
    return took_s


def _wait_until_settled(daemon: Daemon, target: Target, count: int) -> None:
    """Return when the shelf is full, and the ledger has so many leases besides.

    Raises RuntimeError when that does not come, or the server has other accounts than these.
    """
    deadline = time.monotonic() + DEADLINE_S
    while (live := _live(daemon)) != count + HUNDRED:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{live} leases are live where {count + HUNDRED} should be")
        time.sleep(0.1)
    shelf.wait_until_full(daemon, AHEAD, HUNDRED)
    if count and (there := len(target.accounts())) != live:
        raise RuntimeError(f"{there} accounts stand where {live} leases are live")


def _live(daemon: Daemon) -> int:
    counts = daemon.request("GET", "/v1/leasehold/status").data["leases"]
    return sum(count for state, count in counts.items() if state != "revoked")
