"""Ten thousand leases are live at each engine at once (T23).

Look-ups and lists stay fast, memory is bounded, and the last issue is not slower than the first
hundred. What the bare servers take for so many accounts is in docs/performance.md.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from bench.report import percentile
from chaos.client import ask
from chaos.facts import Violation
from chaos.stage import Record, Size, Stage, totals
from chaos.trial import Trial

PLAN = "T23"
LEASES = {Size.SMALL: 200, Size.CI: 500, Size.LONG: 10_000}
"""At each engine."""
MARKS = (100, 2_444)
"""The hundredth, and where rights of each account's own break PostgreSQL; then the last."""
AROUND, LOOKS, LISTS = 50, 200, 30
CLIENTS = 6
TTL_S = 3_500
P99_MS, RESIDENT_MB, SLOWER = 50.0, 250.0, 1.5
LIMITS = "lease_limits:\n"
LIMIT = "  {engine}: {{max_leases: 200000, max_leases_per_role: 200000}}\n"


def run(stage: Stage) -> Iterator[Record]:
    engines = stage.world.engines
    limits = LIMITS + "".join(LIMIT.format(engine=engine) for engine in engines)
    for _ in range(stage.times(small=1, ci=1, long=1)):
        with stage.trial(policy=stage.world.policy() + limits) as trial:
            trial.start()
            for engine in engines:
                yield from _gather(stage, trial, engine)
            process = trial.daemon.facts()
            assert process is not None
            found = []
            if process.resident_mb > RESIDENT_MB:
                found.append(Violation(PLAN, f"it has {process.resident_mb:.0f} MB"))
            settled = trial.settle(deep=True)
            yield Record({"engine": "all"}, [*found, *settled.violations])
            figures = {"resident_mb": round(process.resident_mb), **totals(trial)}
            yield Record({"totals": True}, figures=figures)


def _gather(stage: Stage, trial: Trial, engine: str) -> Iterator[Record]:
    count = LEASES[stage.size]
    marks = [mark for mark in MARKS if mark + AROUND < count]
    issue_ms: dict[int, float] = {}
    made: list[str] = []

    def issue(_: int) -> None:
        held = trial.clients.issue(engine, TTL_S)
        assert held is not None
        made.append(held.lease_id)

    with ThreadPoolExecutor(CLIENTS) as pool:
        for mark in (*marks, count):
            list(pool.map(issue, range(mark - AROUND - len(made))))
            issue_ms[mark] = median(_spans_ms(issue, AROUND))

    def look(number: int) -> None:
        body = {"lease_id": made[number * 7 % count]}
        ask(trial.daemon.socket, "PUT", "/v1/sys/leases/lookup", body)

    def list_all(_: int) -> None:
        ask(trial.daemon.socket, "LIST", f"/v1/sys/leases/lookup/{engine}/creds/app")

    p99_ms = {
        "look-up": percentile(_spans_ms(look, LOOKS), 0.99),
        "list": percentile(_spans_ms(list_all, LISTS), 0.99),
    }
    found = [
        Violation(PLAN, f"{engine}: the {mark}th issue took {its:.1f} ms, and {issue_ms[100]:.1f}")
        for mark, its in issue_ms.items()
        if its > SLOWER * issue_ms[marks[0]]
    ]
    found += [
        Violation(PLAN, f"{engine}: p99 of a {what} is {its:.0f} ms among {count} leases")
        for what, its in p99_ms.items()
        if its > P99_MS
    ]
    yield Record({"engine": engine, "leases": count}, found, reached=len(made) == count)
    figures = {f"issue {mark}_ms": round(its, 1) for mark, its in issue_ms.items()}
    p99 = {f"{what} p99_ms": round(its, 1) for what, its in p99_ms.items()}
    yield Record({"engine": engine}, figures={"engine": engine, **figures, **p99})


def _spans_ms(ask: Callable[[int], None], count: int) -> list[float]:
    """How long each of so many requests took, one after the other."""
    spans = []
    for number in range(count):
        began = time.monotonic()
        ask(number)
        spans.append((time.monotonic() - began) * 1000)
    return spans
