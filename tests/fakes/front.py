"""The ways into the daemon with nothing behind them but a route that says who asks."""

import asyncio
import http.client
import json
import re
import ssl
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fakes.clock import FakeClock
from fakes.policy import a_bundle
from leasehold.api.dispatch import Dispatcher
from leasehold.api.handlers import Ask
from leasehold.api.listening import ListeningSocket, SocketSpec
from leasehold.api.replies import Reply
from leasehold.api.routes import Route
from leasehold.api.server import ApiServer
from leasehold.api.tls_listening import TlsListener
from leasehold.clock import Clock
from leasehold.events.metrics import Metrics
from leasehold.identity.attestation import Attestation
from leasehold.identity.hashing import Hashes
from leasehold.model import Caller
from leasehold.settings import TlsSettings


def real_clock() -> FakeClock:
    """A clock that stands at what certificates are compared with."""
    return FakeClock(int(datetime.now(UTC).timestamp() * 1000))


class NoTokens:
    """Nobody has a token here, and nothing is wrapped: who asks is who connected."""

    of_wrapping = None

    @property
    def tokens(self) -> "NoTokens":
        return self

    async def speaker(self, peer: Caller, text: str, path: str) -> Caller:
        return peer


class Front:
    """Serves on a Unix socket and, by `spec`, over TLS."""

    def __init__(
        self, folder: Path, spec: TlsSettings, clock: Clock, handshake_s: float = 5
    ) -> None:
        self.tls = TlsListener(spec, clock)
        self.port: int = self.tls.socket.getsockname()[1]
        self.path = folder / "run" / "s.sock"
        listening = ListeningSocket(SocketSpec(self.path, 0o600))
        route = Route("who", frozenset({"GET"}), re.compile("/v1/who"), self._who)
        self.api = ApiServer(
            listening,
            Dispatcher([route], Metrics(), NoTokens()),
            self.tls,
            Attestation(a_bundle, Hashes(clock)),
            handshake_s=handshake_s,
        )
        self.undelivered = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Front":
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        accepting = group.create_task(self.api.accept())
        self._stack.push_async_callback(self.api.close, 0)
        self._stack.callback(accepting.cancel)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def _who(self, ask: Ask) -> Reply:
        peer = ask.caller.tls
        told = {"who": ask.caller.who, "names": None if peer is None else peer.names}
        return Reply(body=told, enveloped=False, undelivered=self._count)

    async def _count(self) -> None:
        self.undelivered += 1

    async def ask(self, context: ssl.SSLContext) -> dict[str, Any]:
        """What the route says to a client; raises what the client would meet."""
        return await asyncio.to_thread(ask, self.port, context)


def ask(port: int, context: ssl.SSLContext) -> dict[str, Any]:
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
    try:
        connection.request("GET", "/v1/who")
        reply = connection.getresponse()
        return {"status": reply.status, **json.loads(reply.read())}
    finally:
        connection.close()
