"""What stands around a call to an engine: its deadline, its lane, its breaker, its kind of error.

A plugin may hang, raise what it should not, or lose its target; none of that may reach the rest of
the daemon as anything but an EngineError.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from leasehold.engines.breaker import Breaker
from leasehold.engines.gate import Gate
from leasehold.errors import EngineError, EngineTemporary
from leasehold.failpoints import reach

logger = logging.getLogger(__name__)

T = TypeVar("T")

LANE_WAIT_S = 10.0
MARGIN_S = 7.0
"""How much longer than the target's own statement timeout we wait for its answer, since a
connection may have to be made first."""


class Guard:
    """Guards the calls to the engine `name`, whose target works on one for `limit_s` at most.

    While the gate is closed, only the task that closed it gets through.
    """

    def __init__(self, name: str, engine_type: str, limit_s: float) -> None:
        self._name = name
        self._type = engine_type
        self._limit_s = limit_s
        self.breaker = Breaker(_loop_time)
        self.gate = Gate()

    @asynccontextmanager
    async def lane(self, lane: asyncio.Semaphore) -> AsyncIterator[None]:
        """Have a place in a lane. Raises EngineTemporary when none is free in time."""
        try:
            async with asyncio.timeout(LANE_WAIT_S):
                await lane.acquire()
        except TimeoutError:
            raise EngineTemporary(f"{self._name} is busy; try again") from None
        try:
            yield
        finally:
            lane.release()

    async def call(
        self, verb: str, call: Callable[[], Awaitable[T]], extra_s: float = MARGIN_S
    ) -> T:
        """What `call` returns within its time. Raises EngineError, and StopAsyncIteration."""
        if not self.breaker.allow():
            raise EngineTemporary(
                f"{self._name} is away ({self.breaker.reason});"
                f" next try in {self.breaker.probe_in_s:.0f} s"
            )
        deadline_s = self._limit_s + extra_s
        error: EngineError
        try:
            async with asyncio.timeout(deadline_s), self.gate.passing():
                await reach(f"engine.{verb}.calling")
                result = await call()
                await reach(f"engine.{verb}.called")
        except TimeoutError:
            error = EngineTemporary(f"no answer within {deadline_s:g} s", outcome_unknown=True)
        except StopAsyncIteration:
            self.breaker.succeeded()
            raise
        except EngineError as failure:
            error = failure
        except Exception as defect:
            # A plugin's defect must not be the daemon's; its text may hold secrets (rule L2).
            logger.error("engine %s: %s raised %s", self._name, verb, type(defect).__name__)
            error = EngineTemporary(
                f"a defect of engine type {self._type}: {type(defect).__name__} in {verb}",
                outcome_unknown=True,
            )
        else:
            self.breaker.succeeded()
            return result
        if isinstance(error, EngineTemporary) or (verb == "check" and self.breaker.is_open):
            # A target that refuses to be asked whether it is back is not.
            self.breaker.failed(error.reason)
        else:
            self.breaker.succeeded()
        raise error


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
