"""Threads with a connection each, for drivers that block: some to make accounts, fewer to end them.

How many threads there are is bounded, and so are the connections. A revocation never waits behind
callers who want accounts. A call that is given up is cut off at its connection, so that its thread
is free at once, and a connection whose call failed is closed, not used again (rule Q6).
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from leasehold.errors import EngineError, EngineTemporary

T = TypeVar("T")
WAIT_S = 5
"""How long a call waits for a thread to be free."""


def shares(connection: Mapping[str, Any]) -> tuple[int, int]:
    """How many of a target's `max_connections` make accounts, and how many are kept to end them."""
    most = int(connection.get("max_connections", 16))
    kept = max(1, most // 4)
    return most - kept, kept


class Session(Protocol):
    """A connection. It belongs to one thread at a time; any thread may call `abort`."""

    def is_alive(self) -> bool:
        """Whether the target left the idle connection open, told without a round trip."""

    def is_open(self) -> bool:
        """Whether the connection outlived its last call."""

    def abort(self) -> None:
        """Cut the connection off, so that a thread that waits for it goes on at once."""

    def close(self) -> None:
        """Close the connection, quietly."""


S = TypeVar("S", bound=Session)


@dataclass(frozen=True, slots=True)
class Driver:
    """What is called `name` to people, which `errors` it raises, and what they mean."""

    name: str
    errors: tuple[type[Exception], ...]
    translate: Callable[[Exception], EngineError]


class _Call(Generic[S]):
    """One piece of work, on its way: what has to be cut off when nobody waits for it any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: S | None = None
        self._given_up = False

    def begins(self, session: S) -> None:
        """Raises EngineTemporary when it was given up before it had a connection."""
        with self._lock:
            self._session = session
            if self._given_up:
                raise EngineTemporary("the call was given up")

    def ends(self) -> None:
        """From here on the connection may be another call's."""
        with self._lock:
            self._session = None

    def give_up(self) -> None:
        with self._lock:
            self._given_up = True
            if self._session is not None:
                self._session.abort()


class Lane(Generic[S]):
    """At most `size` threads and connections. `connect` is called in a thread."""

    def __init__(self, connect: Callable[[], S], size: int, driver: Driver, name: str) -> None:
        self._connect = connect
        self._driver = driver
        self._threads = ThreadPoolExecutor(size, f"leasehold {driver.name} {name}")
        self._free = asyncio.Semaphore(size)
        self._idle: deque[S] = deque()
        self._calls: set[_Call[S]] = set()
        self._closed = False

    async def run(self, work: Callable[[S], T]) -> T:
        """What `work` returns of a connection. Raises EngineError, drivers' errors translated."""
        try:
            async with asyncio.timeout(WAIT_S):
                await self._free.acquire()
        except TimeoutError:
            raise EngineTemporary(f"no connection to {self._driver.name} in time") from None
        call = _Call[S]()
        try:
            future = self._threads.submit(self._work, call, work)
        except RuntimeError:
            self._free.release()
            raise EngineTemporary("the engine is closing") from None
        self._calls.add(call)
        future.add_done_callback(partial(self._done, asyncio.get_running_loop(), call))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            call.give_up()
            raise

    def _work(self, call: _Call[S], work: Callable[[S], T]) -> T:
        session = self._take() or self._connect()
        try:
            call.begins(session)
            result = work(session)
        except self._driver.errors as error:
            session.close()
            raise self._driver.translate(error) from error
        except BaseException:
            session.close()
            raise
        call.ends()
        if self._closed or not session.is_open():
            session.close()
        else:
            self._idle.append(session)
        return result

    def _take(self) -> S | None:
        with contextlib.suppress(IndexError):
            while True:
                session = self._idle.pop()
                if session.is_alive():
                    return session
                session.close()
        return None

    def _done(self, loop: asyncio.AbstractEventLoop, call: _Call[S], _: Future[object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, nobody waits any more
            loop.call_soon_threadsafe(self._forget, call)

    def _forget(self, call: _Call[S]) -> None:
        self._calls.discard(call)
        self._free.release()

    async def close(self) -> None:
        """Let go of every connection, those at work too."""
        self._closed = True
        for call in self._calls:
            call.give_up()
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._close_idle)

    def _close_idle(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().close()
