"""Issue: how long one takes, and how many 16 callers get.

Bare psycopg makes a password and a verifier and sends the same statements in the same transaction:
for one caller over a connection of its own, for 16 over a pool of the same size.
"""

from bench.report import Budget, Figure, percentile
from bench.scale import Scale
from bench.world import ISSUE, World

CALLERS = 16
WARM_UP = 50


def measure(world: World, scale: Scale) -> list[Figure]:
    p50 = Figure("issue, 1 caller, p50", "ms", scale.issues, Budget("ratio", most=1.25))
    p99 = Figure("issue, 1 caller, p99", "ms", scale.issues, Budget("ratio", most=1.25))
    rate = Figure("issue, 16 callers", "/s", scale.pooled_issues, Budget("ratio", least=0.8))
    with world.serving("issue") as (_, callers):
        callers.do("ask", callers=1, requests=[ISSUE] * WARM_UP)
        world.bare.do("issue", count=WARM_UP)
        for _ in range(scale.rounds):
            ours = callers.do("ask", callers=1, requests=[ISSUE] * scale.issues)["spans_s"]
            bare = world.bare.do("issue", count=scale.issues)["spans_s"]
            for figure, part in ((p50, 0.5), (p99, 0.99)):
                figure.add(percentile(ours, part) * 1000, percentile(bare, part) * 1000)
        count = scale.pooled_issues
        for _ in range(scale.rounds):
            ours = callers.do("ask", callers=CALLERS, requests=[ISSUE] * count)["wall_s"]
            bare = world.bare.do("issue_pooled", callers=CALLERS, count=count)["wall_s"]
            rate.add(count / ours, count / bare)
    world.clear()
    return [p50, p99, rate]
