"""One caller's connection, whichever way it came, within the limits of HTTP (rules H1, H2, I3).

One that a lease is bound to is kept, and holds that from then on: the facts that it was opened with
serve for no other request, so that they may grow old.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from aiohttp import HttpVersion11, web

from leasehold.api.holds import Holds, watch_peer
from leasehold.errors import Invalid
from leasehold.model import Caller

logger = logging.getLogger(__name__)

LIFETIME_S = 60.0
"""A connection speaks for whoever opened it, so it does not stay open for long (rule I3)."""
IDLE_S = 15.0
"""How long a connection may rest that holds nothing, or may take to send a request's head."""
_NEVER_S = 10 * 365 * 86_400.0
_LIMITS: dict[str, Any] = {
    "keepalive_timeout": _NEVER_S,  # aiohttp's own would end those that hold leases
    "max_line_size": 8_190,
    "max_field_size": 8_190,
    "max_headers": 64,
    "auto_decompress": False,
    "lingering_time": 1,
    "tcp_keepalive": False,
    "access_log": None,
}


class Connection(web.RequestHandler):
    """One caller's connection, a `Line`. `gone` is called at its end; `holds` counts all alike."""

    def __init__(
        self,
        server: web.Server,
        *,
        caller: Caller,
        loop: asyncio.AbstractEventLoop,
        gone: Callable[[], None],
        held: Holds,
    ) -> None:
        super().__init__(server, loop=loop, **_LIMITS)
        self.caller = replace(caller, line=self)
        self.name = uuid.uuid4().hex
        self.stays = self.holds = False
        self._ends_at = loop.time() + LIFETIME_S
        self._busy = False
        self._gone = gone
        self._held = held
        self._held_ended: Callable[[], None] | None = None
        self._idle = loop.call_later(IDLE_S, self._end_idle)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have the transport tell when everything is in the kernel, not when little is left."""
        if isinstance(transport, asyncio.Transport):
            # asyncio's TLS takes an empty buffer for a full one if the limit is 0.
            by_tls = transport.get_extra_info("ssl_object") is not None
            transport.set_write_buffer_limits(high=int(by_tls), low=0)
        super().connection_made(transport)

    @contextmanager
    def serving(self, request: web.BaseRequest) -> Iterator[None]:
        """A request is made within; afterwards the connection rests, or is over."""
        self._idle.cancel()
        self._busy, self.stays = True, request.keep_alive and request.version >= HttpVersion11
        try:
            yield
            if not self.holds and self._loop.time() >= self._ends_at:
                self.close()
        finally:
            self._busy = False
            if self.transport is not None:
                self._idle = self._loop.call_later(IDLE_S, self._end_idle)

    def _end_idle(self) -> None:
        if not self._busy and not self.holds:
            self.force_close()

    @contextmanager
    def holding(self, ended: Callable[[], None]) -> Iterator[None]:
        """Hold what is made within, unless that fails. Raises LimitReached, Invalid."""
        try:
            watch_peer(self.transport)
        except OSError as error:
            raise Invalid("the connection that the lease was to end with has ended") from error
        leave = self._held.enter(self.caller.who)

        def over() -> None:
            leave()
            ended()

        self.holds, self._held_ended = True, over
        try:
            yield
        except BaseException:
            if self._held_ended is not None:  # else it ended meanwhile
                self.holds, self._held_ended = False, None
                leave()
            raise

    def let_go(self) -> None:
        """End it, since nothing is bound to it any more."""
        self.force_close()

    def outdate(self) -> None:
        """End as `close` does, as after a change of policy; what holds leases is not used again."""
        if self.holds:
            self._ends_at = self._loop.time()  # should it not hold any after all
        else:
            self.close()

    def close(self) -> None:
        """End with the request that is made, and at once when there is none.

        aiohttp alone would leave an idle connection open, and not answer on it any more.
        """
        super().close()
        if not self._busy:
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Make room for another, and have what it holds end."""
        super().connection_lost(exc)
        self._idle.cancel()
        self._gone()
        if self._held_ended is not None:
            self._held_ended()
            self._held_ended = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no HTTP, or over its limits, is answered in our words and not logged as ours."""
        logger.debug("%s sent no HTTP that is accepted: %s", self.caller.who, type(exc).__name__)
        text = "the request is not HTTP/1.1 as it should be, or its head is over the limits"
        response = web.Response(
            status=status,
            body=json.dumps({"errors": [text]}).encode(),
            headers={"Content-Type": "application/json", "Server": "leasehold"},
        )
        response.force_close()
        return response
