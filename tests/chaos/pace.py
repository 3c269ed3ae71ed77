"""One kind of request at a rate, each timed from when it was due.

A request that waits behind a slow one counts with its wait, so a stall is not seen once only.
"""

import itertools
import threading
import time
from collections.abc import Callable
from types import TracebackType

from bench.report import percentile
from chaos.client import NoReply, NotSent

THREADS = 6


class Pace:
    """Calls `ask` `rate` times a second until the block is left."""

    def __init__(self, ask: Callable[[int], object], rate: float) -> None:
        self._ask = ask
        self._rate = rate
        self._stop = threading.Event()
        self._numbers = itertools.count()
        self._began = 0.0
        self._threads = [threading.Thread(target=self._work) for _ in range(THREADS)]
        self.seconds: list[float] = []
        self.failed = 0

    def __enter__(self) -> "Pace":
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def p99_ms(self) -> float:
        """How long all but one in a hundred took; endless when nothing was asked."""
        return round(percentile(self.seconds, 0.99) * 1000, 1) if self.seconds else float("inf")

    def _work(self) -> None:
        for number in self._numbers:
            due = self._began + number / self._rate
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            try:
                self._ask(number)
            except (NoReply, NotSent):
                self.failed += 1
            self.seconds.append(time.monotonic() - due)
