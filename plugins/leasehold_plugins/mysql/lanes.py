"""Threads with a connection each: some to make accounts, fewer to take them away.

PyMySQL blocks, so it runs in threads; how many there are is bounded, and so are the connections. A
revocation never waits behind callers who want accounts. A call that is given up is cut off at its
socket, so that its thread is free at once, and a connection whose call failed is closed, not used
again (rule Q6).
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import pymysql

from leasehold.plugin import EngineTemporary
from leasehold_plugins.mysql.connecting import CONNECT_S
from leasehold_plugins.mysql.errors import translate
from leasehold_plugins.mysql.session import Session

T = TypeVar("T")


class _Call:
    """One piece of work, on its way: what has to be cut off when nobody waits for it any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._given_up = False

    def begins(self, session: Session) -> None:
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


class Lane:
    """At most `size` threads and connections. `connect` is called in a thread."""

    def __init__(self, connect: Callable[[], Session], size: int, name: str) -> None:
        self._connect = connect
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=f"leasehold mysql {name}")
        self._free = asyncio.Semaphore(size)
        self._idle: deque[Session] = deque()
        self._calls: set[_Call] = set()
        self._closed = False

    async def run(self, work: Callable[[Session], T]) -> T:
        """What `work` returns of a connection. Raises EngineError, drivers' errors translated."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._free.acquire()
        except TimeoutError:
            raise EngineTemporary("no connection to MySQL in time") from None
        call = _Call()
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

    def _work(self, call: _Call, work: Callable[[Session], T]) -> T:
        session = self._take() or self._connect()
        try:
            call.begins(session)
            result = work(session)
        except pymysql.MySQLError as error:
            session.close()
            raise translate(error) from error
        except BaseException:
            session.close()
            raise
        call.ends()
        if self._closed or not session.is_open():
            session.close()
        else:
            self._idle.append(session)
        return result

    def _take(self) -> Session | None:
        with contextlib.suppress(IndexError):
            while True:
                session = self._idle.pop()
                if session.is_alive():
                    return session
                session.close()
        return None

    def _done(self, loop: asyncio.AbstractEventLoop, call: _Call, _: Future[object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, nobody waits any more
            loop.call_soon_threadsafe(self._forget, call)

    def _forget(self, call: _Call) -> None:
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
