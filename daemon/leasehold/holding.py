"""Leases that end with what holds them: a process, a systemd unit, or a connection.

A holder is watched from before its first lease is written until it ends, so none is missed; the
leases are then looked up in the store and handed to revocation. After a restart the store says what
to watch, and what has ended meanwhile ends its leases at once.
"""

import asyncio
import contextlib
import logging
import os
import resource
import select
from collections.abc import Iterator
from functools import partial

from leasehold.bundle import Bind
from leasehold.ending import Ending
from leasehold.errors import Invalid, LeaseholdError, Unavailable
from leasehold.identity.holder import (
    CONNECTION,
    PROCESS,
    UNIT,
    HolderGone,
    Watch,
    holder_of,
    watch,
)
from leasehold.identity.process import Untold
from leasehold.leases.store import LeaseStore
from leasehold.loops import all_of
from leasehold.model import Caller, Cause, Line

logger = logging.getLogger(__name__)

PAGE = 200
MOST = 1024
"""Holders at a time, and never more than a quarter of the descriptors; each costs one."""
RETRY_S = 1.0
IDLE_S = 60.0
"""How often holders without a lease are let go."""


class Holding:
    """Watches holders, and ends what they held."""

    def __init__(self, store: LeaseStore, ending: Ending) -> None:
        self._store = store
        self._ending = ending
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = min(MOST, soft // 4)
        self._epoll = select.epoll()
        self._watches: dict[str, Watch] = {}
        self._by_descriptor: dict[int, str] = {}
        self._lines: dict[str, Line] = {}
        self._binding: dict[str, int] = {}
        self._bound_since: set[str] = set()
        self._ended: set[str] = set()
        self._under_way: set[str] = set()
        self._wake = asyncio.Event()

    def close(self) -> None:
        """Let every holder go; their leases stay bound."""
        for holder in [*self._watches]:
            self._let_go(holder)
        self._epoll.close()

    def holder_of(self, bind: Bind, caller: Caller) -> str:
        """What a lease for the caller is to be bound to; empty for nothing. Raises Invalid."""
        if bind is Bind.NONE:
            return caller.holder
        try:
            return holder_of(bind, caller)
        except (Untold, OSError) as why:
            told = why if isinstance(why, Untold) else "it cannot be told which one that is"
            raise Invalid(f"leases of this role end with the {bind} that asks; {told}") from why

    @contextlib.contextmanager
    def bound(self, holder: str, line: Line | None = None) -> Iterator[None]:
        """Watch `holder`, which a lease is made for within; a token is not watched.

        A connection holds nothing but leases from then on. Raises Invalid when the holder has
        ended, Unavailable when too many are watched, LimitReached for too many connections.
        """
        if holder.startswith(CONNECTION) and line is not None:
            ended = partial(self._has_ended, holder)
            with contextlib.ExitStack() as failed, line.holding(ended), self._made_for(holder):
                failed.callback(self._lines.pop, holder, None)
                self._lines[holder] = line
                yield
                failed.pop_all()
            return
        if not holder.startswith((PROCESS, UNIT)):
            yield
            return
        try:
            self._watch(holder)
        except HolderGone as gone:
            raise Invalid("what the lease was to end with has ended") from gone
        except OSError as error:
            raise Unavailable(f"no holder can be watched ({error.strerror})") from error
        with self._made_for(holder):
            yield

    @contextlib.contextmanager
    def _made_for(self, holder: str) -> Iterator[None]:
        self._binding[holder] = self._binding.get(holder, 0) + 1
        try:
            yield
        finally:
            self._bound_since.add(holder)
            self._binding[holder] -= 1
            if not self._binding[holder]:
                del self._binding[holder]
            self._look(holder)  # it may have ended before there was a lease to find

    async def take_up(self) -> None:
        """Watch what a daemon before this one had bound. Raises Unavailable."""
        for holder in await self._store.holders_bound():
            try:
                self._watch(holder)
            except (HolderGone, OSError, Unavailable):
                self._ended.add(holder)
        if self._ended:
            self._wake.set()
            logger.info(
                "%d holders of leases are gone, or cannot be watched; their leases end",
                len(self._ended),
            )

    async def run(self) -> None:
        """End leases whose holder has ended; never returns."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._epoll.fileno(), self._collect)
        forget_at = loop.time() + IDLE_S
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    if loop.time() >= forget_at:
                        await self._forget_idle()
                        forget_at = loop.time() + IDLE_S
                    self._wake.clear()
                    for holder in self._ended - self._under_way:
                        self._under_way.add(holder)
                        group.create_task(self._end(holder))
                    try:
                        async with asyncio.timeout(RETRY_S if self._ended else IDLE_S):
                            await self._wake.wait()
                    except TimeoutError:
                        continue
        finally:
            loop.remove_reader(self._epoll.fileno())

    def _watch(self, holder: str) -> None:
        if holder in self._watches:
            return
        if len(self._watches) >= self._most:
            raise Unavailable(f"{self._most} processes and units hold leases; try again")
        found = watch(holder)
        self._watches[holder] = found
        self._by_descriptor[found.descriptor] = holder
        self._epoll.register(found.descriptor, found.events)

    def _collect(self) -> None:
        for descriptor, _ in self._epoll.poll(0):
            self._look(self._by_descriptor[descriptor])

    def _look(self, holder: str) -> None:
        found = self._watches.get(holder)
        if holder not in self._lines and (found is None or found.has_ended()):
            self._has_ended(holder)

    def _has_ended(self, holder: str) -> None:
        self._let_go(holder)
        self._ended.add(holder)
        self._wake.set()

    def _let_go(self, holder: str) -> None:
        self._lines.pop(holder, None)
        found = self._watches.pop(holder, None)
        if found is not None:
            del self._by_descriptor[found.descriptor]
            self._epoll.unregister(found.descriptor)
            os.close(found.descriptor)

    async def _end(self, holder: str) -> None:
        try:
            while leases := await self._store.held_by(holder, PAGE):
                # Told to all first: a target that is slow must not keep the next page.
                await all_of(
                    self._ending.end(each.id, Cause.HOLDER_ENDED, wait=False) for each in leases
                )
            if holder not in self._binding:
                self._ended.discard(holder)
        except LeaseholdError as trouble:
            logger.error("leases of %s, which has ended, do not end yet: %s", holder, trouble)
        except Exception:
            # The guard of this task: whatever is wrong with one holder, the others must end.
            logger.exception("leases of %s do not end: a defect of leasehold", holder)
        finally:
            self._under_way.discard(holder)

    async def _forget_idle(self) -> None:
        self._bound_since.clear()  # what is bound while the store is read may not be in it yet
        try:
            held = set(await self._store.holders_bound())
        except LeaseholdError as trouble:
            logger.warning("holders of leases cannot be read: %s", trouble)
            return
        in_use = held | self._bound_since | self._binding.keys()
        for holder in self._watches.keys() - in_use:
            self._let_go(holder)
        for holder in self._lines.keys() - in_use:
            self._lines.pop(holder).let_go()
