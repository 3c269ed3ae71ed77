"""One caller's connection, whichever way it came, within the limits of HTTP (rules H1, H2, I3)."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web

from leasehold.model import Caller

logger = logging.getLogger(__name__)

LIFETIME_S = 60.0
"""A connection speaks for whoever opened it, so it does not stay open for long (rule I3)."""
_LIMITS: dict[str, Any] = {
    "keepalive_timeout": 15,
    "max_line_size": 8_190,
    "max_field_size": 8_190,
    "max_headers": 64,
    "auto_decompress": False,
    "lingering_time": 1,
    "tcp_keepalive": False,
    "access_log": None,
}


class Connection(web.RequestHandler):
    """One caller's connection, `busy` while it makes a request. `gone` is called at its end."""

    def __init__(
        self,
        server: web.Server,
        *,
        caller: Caller,
        loop: asyncio.AbstractEventLoop,
        gone: Callable[[], None],
    ) -> None:
        super().__init__(server, loop=loop, **_LIMITS)
        self.caller = caller
        self.ends_at = loop.time() + LIFETIME_S
        self.busy = False
        self._gone = gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have the transport tell when everything is in the kernel, not when little is left."""
        if isinstance(transport, asyncio.Transport):
            # asyncio's TLS takes an empty buffer for a full one if the limit is 0.
            by_tls = transport.get_extra_info("ssl_object") is not None
            transport.set_write_buffer_limits(high=int(by_tls), low=0)
        super().connection_made(transport)

    def close(self) -> None:
        """End with the request that is made, and at once when there is none.

        aiohttp alone would leave an idle connection open, and not answer on it any more.
        """
        super().close()
        if not self.busy:
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Make room for another."""
        super().connection_lost(exc)
        self._gone()

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
