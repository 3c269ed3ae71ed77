"""The TCP socket of the TLS listener, and the files it serves with, looked at again and again.

A connection keeps what it began with. New files are taken as a whole or not at all: as long as
they are no good, the ones before stay in force, and say so.
"""

import asyncio
import contextlib
import ipaddress
import logging
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from leasehold.api.listening import BACKLOG
from leasehold.api.tls_files import TlsContext, load
from leasehold.clock import Clock
from leasehold.errors import ConfigError
from leasehold.settings import TlsSettings

logger = logging.getLogger(__name__)

LOOK_S = 2.0
"""How often the files are looked at; what they hold is read only when they changed."""

Stamps = tuple[tuple[int, int, int] | None, ...]


class TlsListener:
    """Listens, and has the context that new connections get."""

    def __init__(self, spec: TlsSettings, clock: Clock) -> None:
        """Bind. Raises ConfigError for files that are no good, or an address that is taken."""
        self._spec = spec
        self._clock = clock
        self._stamps = _stamps(spec)
        self.context: TlsContext = load(spec, clock.wall(clock.now_ms()))
        self._trouble = ""
        self._look_now = asyncio.Event()
        self.socket = _bind(spec)
        logger.info("TLS at %s port %d", spec.address, spec.port)

    def look_soon(self) -> None:
        """Have `watch` read the files again, changed or not."""
        self._look_now.set()

    async def watch(self) -> None:
        """Take over files that changed, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._look_now.wait()
            asked = self._look_now.is_set()
            self._look_now.clear()
            stamps = await asyncio.to_thread(_stamps, self._spec)
            if asked or stamps != self._stamps:
                self._stamps = stamps
                await self._take_over()

    async def _take_over(self) -> None:
        now = self._clock.wall(self._clock.now_ms())
        try:
            self.context = await asyncio.to_thread(load, self._spec, now)
        except ConfigError as why:
            self._trouble = f"TLS: new files are not served: {why}"
            logger.error("%s", self._trouble)
        else:
            self._trouble = ""
            logger.info("TLS: serving a certificate that is valid until %s", self.context.expires)

    def troubles(self) -> Sequence[str]:
        """What degrades the listener, one line each."""
        found = [self._trouble] if self._trouble else []
        if self.context.expires <= self._clock.wall(self._clock.now_ms()):
            found.append(f"TLS: the certificate {self._spec.certificate_file} has expired")
        return found

    def close(self) -> None:
        """Stop listening; quiet when that was done."""
        self.socket.close()


def peer_address(sock: socket.socket) -> str:
    """Where the peer connects from, IPv4 always as IPv4. Raises OSError."""
    address = ipaddress.ip_address(sock.getpeername()[0].partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _bind(spec: TlsSettings) -> socket.socket:
    six = ":" in spec.address
    try:
        bound = socket.create_server(
            (spec.address, spec.port),
            family=socket.AF_INET6 if six else socket.AF_INET,
            backlog=BACKLOG,
            dualstack_ipv6=six and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        reason, place = os.strerror(error.errno or 0), f"{spec.address} port {spec.port}"
        raise ConfigError(f"tls_listen: {place} cannot be bound ({reason})") from error
    bound.setblocking(False)
    return bound


def _stamps(spec: TlsSettings) -> Stamps:
    """What changes when a file does."""
    return tuple(map(_stamp, (spec.certificate_file, spec.key_file, spec.client_ca_file)))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_mtime_ns, info.st_ino, info.st_size
