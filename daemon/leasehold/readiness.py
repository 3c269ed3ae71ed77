"""A credential is handed out when it works: the gate that a role's `ready` puts before it.

Some targets take an account and know of it later, node by node, so that a login may go well at one
node and not at the next. The daemon logs in until that went well so many times in a row, and keeps
how long it took.
"""

import asyncio
import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from leasehold.clock import Clock
from leasehold.engines.guarded import GuardedEngine
from leasehold.errors import EngineTemporary, NotReady
from leasehold.handing import Ready
from leasehold.plugin import Secret

PAUSE_S = 0.1
LONGEST_PAUSE_S = 1.0
REMEMBERED = 1_000
"""Of how many accounts of a role the time is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long the accounts of a role took until they worked, in seconds.

    `p50_s` and `p99_s` are of the last REMEMBERED; `count` and `sum_s` of all since the start.
    """

    path: str
    p50_s: float
    p99_s: float
    count: int
    sum_s: float


class Readiness:
    """Tries credentials before they are handed out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._count: defaultdict[str, int] = defaultdict(int)
        self._sum_s: defaultdict[str, float] = defaultdict(float)

    async def prove(
        self,
        path: str,
        ready: Ready,
        engine: GuardedEngine,
        credential: Mapping[str, str | Secret],
    ) -> int:
        """Log in until that went well often enough; returns the instant (lease time, ms).

        Raises NotReady when it did not within the span, EnginePermanent when it never will.
        """
        began_s, row = asyncio.get_running_loop().time(), 0
        try:
            async with asyncio.timeout(ready.within_s):
                pause_s = PAUSE_S
                while True:
                    row = row + 1 if await _opens(engine, credential) else 0
                    if row >= ready.successes:
                        break
                    pause_s = PAUSE_S if row else min(2 * pause_s, LONGEST_PAUSE_S)
                    await asyncio.sleep(pause_s)
        except TimeoutError:
            raise NotReady(
                f"{path}: the new account did not work {ready.successes} times in a row within"
                f" {ready.within_s} s (last {row}), so it was revoked; try again"
            ) from None
        self._note(path, asyncio.get_running_loop().time() - began_s)
        return self._clock.now_ms()

    def times(self) -> Iterable[Times]:
        """How long that took, for each role of which an account was tried since the start."""
        for path, last in sorted(self._last.items()):
            ordered = sorted(last)
            yield Times(
                path=path,
                p50_s=_quantile(ordered, 0.5),
                p99_s=_quantile(ordered, 0.99),
                count=self._count[path],
                sum_s=self._sum_s[path],
            )

    def _note(self, path: str, took_s: float) -> None:
        self._last[path].append(took_s)
        self._count[path] += 1
        self._sum_s[path] += took_s


async def _opens(engine: GuardedEngine, credential: Mapping[str, str | Secret]) -> bool:
    """Whether it opens the target now; one that does not answer opens nothing."""
    try:
        return await engine.login(credential)
    except EngineTemporary:
        return False


def _quantile(ordered: list[float], share: float) -> float:
    """The nearest-rank quantile."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
