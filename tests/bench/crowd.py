"""Many live accounts at once, at each kind of server: whether issue stays as fast as it was.

A daemon of its own for each server issues so many leases over its socket. What is shown as bare is
the first hundred of them, one caller, with no other account there; ours are the last hundred. Then
all are revoked by one order, and what is left at the server is counted.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from bench.report import Budget, Figure
from bench.scale import Scale
from bench.worker import Worker
from bench.world import World
from servers.daemon import Daemon
from servers.mysql import PrivateMariadb
from servers.redis import RedisServer

HUNDRED = 100
WARM_UP = 20
CALLERS = 8
"""They fill up what is between the first and the last hundred."""
ISSUE = ("GET", "/v1/crowd/creds/reader", None)
REVOKE = ("PUT", "/v1/sys/leases/revoke-prefix/crowd/creds", {"sync": False})
DEADLINE_S = 600.0
POLICY = """\
engines:
  main:
    type: {kind}
    mount: crowd
    connection:
      url: "{url}"
      username: "{username}"
      password: env:BENCH_PASSWORD
roles:
  main/reader: {{{recipe}, default_ttl: 12h, max_ttl: 24h}}
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


@dataclass(frozen=True)
class Target:
    """A server that accounts crowd at. `accounts` are those of ours that it has now."""

    kind: str
    url: str
    username: str
    password: str
    recipe: str
    accounts: Callable[[], Sequence[str]]


def measure(world: World, scale: Scale) -> list[Figure]:
    figures: list[Figure] = []
    for place in (_postgresql, _mariadb, _redis):
        with place(world) as target:
            print(f"  at {target.kind}", file=sys.stderr, flush=True)
            figures += _crowd(world, target, scale.crowd)
    return figures


def _crowd(world: World, target: Target, count: int) -> list[Figure]:
    issue = Figure(f"issue at {count:,}, {target.kind}", "ms", HUNDRED, Budget("ratio", most=1.5))
    gone = Figure(f"revocation of {count:,}, {target.kind}", "s", count)
    left = Figure(f"accounts left, {target.kind}", "", count, Budget("ours", most=0))
    daemon = _daemon(world, target)
    callers = Worker("bench.callers", socket=str(daemon.start().socket))
    try:
        callers.do("ask", callers=1, requests=[ISSUE] * WARM_UP)
        _empty(daemon, target)
        first = _median_ms(callers)
        fill = [ISSUE] * (count - 2 * HUNDRED)
        callers.do("ask", callers=CALLERS, requests=fill)
        issue.add(_median_ms(callers), first)
        there = len(target.accounts())
        if there != count:
            raise RuntimeError(f"{there} accounts stand where {count} were issued")
        began = time.perf_counter()
        _empty(daemon, target)
        gone.add(time.perf_counter() - began)
        left.add(len(target.accounts()))
    finally:
        callers.close()
        daemon.stop()
    return [issue, gone, left]


def _daemon(world: World, target: Target) -> Daemon:
    policy = POLICY.format(
        kind=target.kind,
        url=target.url,
        username=target.username,
        recipe=target.recipe,
        uid=os.getuid(),
    )
    env = {"BENCH_PASSWORD": target.password}
    return Daemon(world.folder / f"crowd-{target.kind}", env, policy=policy)


def _median_ms(callers: Worker) -> float:
    spans: list[float] = callers.do("ask", callers=1, requests=[ISSUE] * HUNDRED)["spans_s"]
    return median(spans) * 1000


def _empty(daemon: Daemon, target: Target) -> None:
    """Have all be revoked, and return when the last account and the last lease are gone."""
    reply = daemon.request(*REVOKE)
    if reply.status not in (200, 202, 204):
        raise RuntimeError(f"revoke-prefix was answered with {reply.status}: {reply.text}")
    deadline = time.monotonic() + DEADLINE_S
    while target.accounts() or _live(daemon):
        if time.monotonic() > deadline:
            return
        time.sleep(0.1)


def _live(daemon: Daemon) -> int:
    counts = daemon.request("GET", "/v1/leasehold/status").data["leases"]
    return sum(count for state, count in counts.items() if state != "revoked")


@contextmanager
def _postgresql(world: World) -> Iterator[Target]:
    server = world.postgres
    yield Target(
        "postgresql",
        f"postgresql://127.0.0.1:{server.port}/app?sslmode=disable",
        server.admin,
        server.password,
        "member_of: [app_readonly]",
        server.accounts,
    )
    world.clear()


@contextmanager
def _mariadb(_: World) -> Iterator[Target]:
    server = PrivateMariadb("--skip-general-log")
    try:
        server.start().reset()
        yield Target(
            "mysql",
            f"mysql://127.0.0.1:{server.port}",
            server.admin,
            server.password,
            "member_of: [app_readonly]",
            server.accounts,
        )
    finally:
        server.remove()


@contextmanager
def _redis(_: World) -> Iterator[Target]:
    server = RedisServer()
    try:
        server.start()
        yield Target(
            "redis",
            server.url,
            server.keeper,
            server.password,
            "commands: [+@read], keys: ['app:*']",
            server.accounts,
        )
    finally:
        server.remove()
