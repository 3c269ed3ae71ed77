"""Lines of the audit to a second place, syslog or the journal: best effort, the file is the truth.

A line is offered when it is durable in the file. It waits in a queue with a bound, from which a
task sends it as a datagram; nobody ever waits for that. What the queue had no room for, or no
datagram could hold, is counted, logged, and told at the second place itself when it is back.
"""

import asyncio
import contextlib
import errno
import json
import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from leasehold.events.audit_line import Written
from leasehold.events.journald import journal_entry
from leasehold.events.metrics import Metrics
from leasehold.events.retrying import wait_s
from leasehold.events.syslog import syslog_message
from leasehold.settings import Settings

logger = logging.getLogger(__name__)

Address = Path | tuple[str, int]
"""A Unix datagram socket, or a host and a UDP port."""
MOST_WAITING = 10_000
BUSY_S = 0.05
"""How long to wait when the other side does not read as fast as we send."""
TURN = 100
"""Datagrams that are sent before others get their turn."""
RESOLVE_S = 5.0


class Forwarder:
    """Sends lines to one place. `trouble` says in one line why they do not get there, or nothing.

    `offer` may be called in any thread; `wake` belongs to the event loop.
    """

    def __init__(
        self,
        name: str,
        address: Address,
        datagram: Callable[[Written], bytes],
        dropped: Callable[[int], None],
        *,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._place = f"{name} at {_shown(address)}"
        self._address = address
        self._datagram = datagram
        self._count = dropped
        self._most_waiting = most_waiting
        self._waiting: deque[Written] = deque()
        self._refused = 0  # counted by those who offer; the next two by the task
        self._too_long = 0
        self._told = 0
        self._wake = asyncio.Event()
        self._failure = ""

    @property
    def trouble(self) -> str:
        """Why lines do not get there, and how many were dropped since they did."""
        if not self._failure:
            return ""
        lost = f"; {self._dropped} lines were dropped, the file has them" if self._dropped else ""
        return f"the audit is not forwarded to {self._place}: {self._failure}{lost}"

    def offer(self, lines: Sequence[Written]) -> None:
        """Have these lines sent, if there is room for them."""
        room = max(0, self._most_waiting - len(self._waiting))
        self._waiting.extend(lines[:room])
        if len(lines) > room:
            self._refused += len(lines) - room
            self._count(len(lines) - room)

    def wake(self) -> None:
        """There may be lines."""
        self._wake.set()

    async def run(self) -> NoReturn:
        """Send what is offered until cancelled, then what can be sent without waiting."""
        failures = 0
        while True:
            try:
                with await self._connected() as link:
                    failures = 0
                    await self._serve(link)
            except OSError as lost:
                failures += 1
                self._fail(_reason(lost))
            await asyncio.sleep(wait_s(failures))

    async def _serve(self, link: socket.socket) -> NoReturn:
        # UDP hears of a port where nobody listens with the datagram after.
        doubtful = 0 if link.family == socket.AF_UNIX else 1
        sent = 0
        try:
            while True:
                self._wake.clear()
                while self._waiting:
                    if not self._sent(link):
                        await asyncio.sleep(BUSY_S)
                        continue
                    sent += 1
                    if sent > doubtful:
                        self._works()
                    if sent % TURN == 0:
                        await asyncio.sleep(0)
                await self._wake.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                while self._waiting and self._sent(link):
                    pass
            raise

    async def _connected(self) -> socket.socket:
        """A socket that does not block. Raises OSError, TimeoutError."""
        family: int = socket.AF_UNIX
        where: Any = str(self._address)
        if not isinstance(self._address, Path):
            async with asyncio.timeout(RESOLVE_S):
                found = await asyncio.get_running_loop().getaddrinfo(
                    *self._address, type=socket.SOCK_DGRAM
                )
            family, _, _, _, where = found[0]
        link = socket.socket(family, socket.SOCK_DGRAM)
        try:
            link.setblocking(False)
            link.connect(where)
        except OSError:
            link.close()
            raise
        return link

    def _sent(self, link: socket.socket) -> bool:
        """Send the oldest line that waits; False when the other side is busy. Raises OSError."""
        if dropped := self._dropped:
            if not self._send(link, self._datagram(_notice(dropped))):
                return False
            logger.warning("%d lines were not forwarded to %s", dropped, self._place)
            self._told += dropped
        if not self._send(link, self._datagram(self._waiting[0])):
            return False
        self._waiting.popleft()
        return True

    def _send(self, link: socket.socket, datagram: bytes) -> bool:
        try:
            link.send(datagram)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                return False
            if error.errno != errno.EMSGSIZE:
                raise
            self._too_long += 1
            self._count(1)
        return True

    @property
    def _dropped(self) -> int:
        """How many lines were dropped and not yet told of."""
        return self._refused + self._too_long - self._told

    def _works(self) -> None:
        if self._failure:
            logger.info("the audit is forwarded to %s again", self._place)
            self._failure = ""

    def _fail(self, reason: str) -> None:
        if not self._failure:
            logger.warning("the audit is not forwarded to %s: %s", self._place, reason)
        self._failure = reason


def forwarders(settings: Settings, metrics: Metrics) -> tuple[Forwarder, ...]:
    """Those that the settings ask for."""
    made = []
    if settings.audit_syslog is not None:
        host, pid = socket.gethostname(), os.getpid()
        message = partial(syslog_message, host=host, pid=pid)
        dropped = partial(metrics.not_forwarded, "syslog")
        made.append(Forwarder("syslog", _address(settings.audit_syslog), message, dropped))
    if settings.audit_journald is not None:
        dropped = partial(metrics.not_forwarded, "journald")
        made.append(Forwarder("journald", settings.audit_journald, journal_entry, dropped))
    return tuple(made)


def _address(text: str) -> Address:
    if text.startswith("/"):
        return Path(text)
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _notice(dropped: int) -> Written:
    """What the second place is told of lines that it does not have."""
    fields = {"event": "lines-dropped", "detail": {"lines": str(dropped)}}
    return Written(fields, json.dumps(fields, separators=(",", ":")))


def _shown(address: Address) -> str:
    return str(address) if isinstance(address, Path) else f"{address[0]}:{address[1]}"


def _reason(lost: OSError) -> str:
    return lost.strerror or "no answer in time"
