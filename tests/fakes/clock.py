"""Time that a test moves: a `Clock`, the readings under a real one, and a loop that lives on it."""

import asyncio
import functools
import math
import selectors
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextvars import Context
from datetime import UTC, datetime
from typing import Any

from fakes.leases import START_MS
from leasehold.clock import Anchor, Readings

STUCK_S = 20.0
"""How long a thread may work before the test is told that nothing will happen any more."""


class FakeClock:
    """A `leasehold.clock.Clock` that stands still until it is moved."""

    def __init__(self, start_ms: int = START_MS) -> None:
        self._now_ms = start_ms
        self.suspect = False

    def advance(self, *, ms: int = 0, s: float = 0) -> None:
        self._now_ms += ms + math.ceil(s * 1000)

    def now_ms(self) -> int:
        return self._now_ms

    def wall(self, lease_ms: int) -> datetime:
        return datetime.fromtimestamp(lease_ms / 1000, UTC)

    def anchor(self) -> Anchor:
        return Anchor("boot", self._now_ms - START_MS, self._now_ms, self._now_ms)


class Machine:
    """A computer's clocks: what `SystemClock` reads, and all that may happen to them."""

    def __init__(self) -> None:
        self.boot = 0
        self.boot_ms = 5_000
        self.wall_ms = START_MS

    @property
    def readings(self) -> Readings:
        return Readings(
            boot_id=lambda: f"boot-{self.boot}",
            boot_ms=lambda: self.boot_ms,
            wall_ms=lambda: self.wall_ms,
        )

    def run(self, ms: int) -> None:
        """Time passes, be the machine awake or suspended: CLOCK_BOOTTIME counts both."""
        self.boot_ms += ms
        self.wall_ms += ms

    def step(self, ms: int) -> None:
        """Somebody, or NTP, sets the wall clock."""
        self.wall_ms += ms

    def reboot(self, off_ms: int, *, rtc_ms: int | None = None) -> None:
        """Off for `off_ms`; a dead battery wakes the machine at `rtc_ms`."""
        self.boot += 1
        self.boot_ms = 3_000
        self.wall_ms = self.wall_ms + off_ms if rtc_ms is None else rtc_ms


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on a `FakeClock`: when all wait for time, time jumps to the next instant.

    While a thread works (`busy` counts those) no time passes, and what a thread brings is taken
    when nothing else is left to do. So minutes take no time, and the same choices take the same
    course.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.busy = 0
        self._brought: deque[tuple[Callable[..., Any], tuple[Any, ...], Context | None]] = deque()
        super().__init__(_Leaping(self))

    def time(self) -> float:
        return (self.clock.now_ms() - START_MS) / 1000

    def run_in_executor(
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self.busy += 1
        future.add_done_callback(self._idle)
        return future

    def _idle(self, _: object) -> None:
        self.busy -= 1

    def call_soon_threadsafe(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Any:
        self._brought.append((callback, args, context))
        self._write_to_self()

    def at_rest(self) -> bool:
        """Called when all wait for time, or for ever; true when this gave somebody work."""
        return False

    def take_what_threads_brought(self) -> bool:
        """Whether there was anything."""
        found = bool(self._brought)
        while self._brought:
            callback, args, context = self._brought.popleft()
            self.call_soon(callback, *args, context=context)
        return found


class _Leaping(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return []
        if self._loop.take_what_threads_brought():
            return []
        if not self._loop.busy and self._loop.at_rest():
            return []
        if self._loop.busy or timeout is None:
            ready = super().select(STUCK_S if self._loop.busy else 1.0)
            if not ready:
                raise RuntimeError("nothing will happen any more, and somebody waits for it")
            self._loop.take_what_threads_brought()
            return ready
        self._loop.clock.advance(s=timeout)
        return []


def on_virtual_time(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test on a `VirtualLoop`; it finds the clock by `virtual_clock()`."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=lambda: VirtualLoop(FakeClock())) as runner:
            runner.run(test(*args, **kwargs))

    return run


def virtual_clock() -> FakeClock:
    """The clock of the running `VirtualLoop`."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.clock
