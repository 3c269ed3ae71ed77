"""A sealed daemon: the same ways in, without key, store, policy and engines behind them.

It answers how it stands, tells it to the broker, and waits for somebody to unseal it.
"""

import asyncio
import contextlib
import logging
import os
import signal

from leasehold.api.dispatch import Dispatcher
from leasehold.api.listening import ListeningSocket, SocketSpec
from leasehold.api.routes import sealed_routes
from leasehold.api.sealed import SealedHandlers
from leasehold.api.server import ApiServer
from leasehold.api.tls_listening import TlsListener
from leasehold.bundle import Bundle
from leasehold.clock import SystemClock
from leasehold.events.metrics import Metrics
from leasehold.identity.attestation import Attestation
from leasehold.identity.hashing import Hashes
from leasehold.keys.keyfile import Key
from leasehold.keys.sealflag import SealFlag
from leasehold.leases import sqlite_files
from leasehold.leases.offline import label
from leasehold.loops import eternal_tasks
from leasehold.model import Caller
from leasehold.publishing import sealed_status
from leasehold.reconcile.sealing import Unsealing
from leasehold.settings import Settings
from leasehold.systemd import feed_watchdog, notify, reloading, watchdog_s

logger = logging.getLogger(__name__)

_NO_POLICY = Bundle(digest="", engines={}, roles={}, identities={}, grants=(), mount_limits={})


async def until_unsealed(settings: Settings, flag: SealFlag) -> Unsealing | None:
    """Stand sealed; returns who ended that, or None for SIGTERM and SIGINT. Raises ConfigError."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Unsealing | None] = loop.create_future()

    def end(how: Unsealing | None) -> None:
        if not ended.done():
            ended.set_result(how)

    def unsealed(key: Key, caller: Caller) -> None:
        end(Unsealing(key, caller))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, None)
    async with contextlib.AsyncExitStack() as stack:
        sqlite_files.prepare(settings.state_dir)
        stack.callback(os.close, sqlite_files.lock(settings.state_dir))
        store, clock = label(settings.state_dir), SystemClock()
        spec = SocketSpec(settings.socket, settings.socket_mode, settings.socket_group)
        listening = ListeningSocket(spec)
        stack.callback(listening.close)
        tls = None if settings.tls is None else TlsListener(settings.tls, clock)
        status = await sealed_status(settings, clock, store.deployment_id)
        handlers = SealedHandlers(clock, flag.since(), settings.key_file, store.key_id, unsealed)
        api = ApiServer(
            listening,
            Dispatcher(sealed_routes(handlers), Metrics(), None),
            tls,
            Attestation(lambda: _NO_POLICY, Hashes(clock)),
        )
        start = await stack.enter_async_context(eternal_tasks())

        def reload() -> None:
            """Only the files of TLS are read; systemd waits to hear that it is over."""
            notify(*reloading())
            api.look_soon()
            notify("READY=1")

        loop.add_signal_handler(signal.SIGHUP, reload)
        if (within_s := watchdog_s()) is not None:
            start("watchdog", feed_watchdog(within_s, lambda: 0.0))
        if status is not None:
            start("mqtt", status.run())
        accepting = start("accept", api.accept())
        logger.warning("sealed since %s: nothing is served; run leasehold unseal", flag.since())
        notify("READY=1", "STATUS=sealed; run leasehold unseal")
        how = await ended
        if how is None:
            notify("STOPPING=1")
        accepting.cancel()
        await asyncio.wait([accepting])
        await api.close(settings.drain_s)
    return how
