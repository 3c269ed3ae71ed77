"""The composition root: build the daemon, start it, wait, stop it in reverse.

Nothing is opened or read from the environment anywhere else. The order of starting is store, clock,
policy, engines, what a crash left behind, socket, loops; systemd hears READY when the socket
answers. Stopping runs the other way: no new requests, drain, loops, engines, store.
"""

import asyncio
import contextlib
import logging
import os
import signal
from pathlib import Path

from leasehold import __version__, failpoints
from leasehold.answering import answering_of
from leasehold.api.listening import ListeningSocket, SocketSpec, hand_on
from leasehold.api.server import ApiServer
from leasehold.api.tls_listening import TlsListener
from leasehold.core import core_of
from leasehold.errors import ConfigError
from leasehold.events.metrics import Metrics
from leasehold.hardening import begin_anew, harden
from leasehold.identity.attestation import Attestation
from leasehold.identity.hashing import Hashes
from leasehold.identity.peercred import in_user_namespace
from leasehold.keys.sealflag import SealFlag
from leasehold.loops import eternal_tasks
from leasehold.model import EventType
from leasehold.opening import State, opened
from leasehold.publishing import publisher as publisher_of
from leasehold.publishing import retained
from leasehold.reconcile.sealing import Sealing, Unsealing, may_serve
from leasehold.reconcile.suspicion import Signs, standing
from leasehold.reconciling import reconciling_of
from leasehold.sealed import until_unsealed
from leasehold.settings import Settings
from leasehold.systemd import feed_watchdog, notify, watchdog_s
from leasehold.tokens.catching_up import catch_up
from leasehold.upkeep import Upkeep, troubles

logger = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    Raises ConfigError for what leasehold will not run with, PolicyRefused for a broken bundle.
    """
    harden()
    if path := os.environ.get("LEASEHOLD_FAILPOINTS"):
        failpoints.arm(Path(path))
    if in_user_namespace() and not settings.allow_user_namespace:
        raise ConfigError(
            "running inside a user namespace, where callers cannot be told apart;"
            " run on the host, or set allow_user_namespace when every caller is mapped"
        )
    flag, unsealed = SealFlag(settings.state_dir), None
    try:
        if flag.is_set and (unsealed := asyncio.run(until_unsealed(settings, flag))) is None:
            return 0
        sealed = asyncio.run(_serve(settings, flag, unsealed))
    except BaseExceptionGroup:
        logger.exception("a part of the daemon ended, so the daemon ends; leases are kept")
        return 1
    if sealed:
        hand_on()
        begin_anew()
    return 0


async def _serve(settings: Settings, flag: SealFlag, by: Unsealing | None) -> bool:
    """Serve until stopped; returns whether that was to be sealed."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        metrics = Metrics()
        state = await stack.enter_async_context(opened(settings, metrics, by.key if by else None))
        store, clock = state.store, state.clock
        quarantine = await standing(store, clock, await _signs(settings, state))
        if not await may_serve(store, clock, flag, by):
            return True
        work = asyncio.TaskGroup()  # entered below: what cannot start must not be wrapped by it
        core = core_of(state, work)
        if quarantine is not None:
            core.hold.begin(quarantine.why)
            await catch_up(state.search, quarantine.known, store, store.tokens, clock)
        stack.push_async_callback(core.engines.close)
        stack.callback(core.holding.close)
        loops = reconciling_of(core, settings, state.search)
        generation = await loops.applier.start()
        await loops.drills.start()
        if quarantine is None and (abandoned := await core.remover.abandoned()):
            logger.warning("a crash left %d intents; their accounts are revoked", abandoned)
        spec = SocketSpec(settings.socket, settings.socket_mode, settings.socket_group)
        listening = ListeningSocket(spec)
        stack.callback(listening.close)
        tls = None if settings.tls is None else TlsListener(settings.tls, clock)
        publisher = await publisher_of(settings, store, clock, core.hold, loops.expiry.lag_s)
        start = await stack.enter_async_context(eternal_tasks())
        await stack.enter_async_context(work)

        attestation = Attestation(lambda: core.serving.current().bundle, Hashes(clock))
        sealing = Sealing(
            core.access,
            store,
            clock,
            core.freeze,
            flag,
            core.background,
            core.issuance.forget,
            stop.set,
        )
        answering = answering_of(
            core,
            loops,
            search=state.search,
            metrics=metrics,
            attestation=attestation,
            sealing=sealing,
            troubles=lambda: (
                *troubles(loops.applier, core.engines, core.admission.ceilings, publisher),
                *loops.drift.troubles(),
                *loops.drills.troubles(),
                *loops.rotations.troubles(),
                *core.freeze.troubles(),
                *core.hold.troubles(),
                *api.troubles(),
                *(sink.trouble for sink in state.sinks if sink.trouble),
            ),
        )
        await core.holding.take_up()
        if quarantine is None:
            await loops.rotations.schedule.start()
        await answering.tokens.start()
        await asyncio.gather(answering.response.load(), loops.enforcer.load())
        api = ApiServer(listening, answering.dispatcher, tls, attestation)
        upkeep = Upkeep(
            serving=core.serving,
            applier=loops.applier,
            engines=core.engines,
            store=store,
            clock=clock,
            remover=core.remover,
            ceilings=core.admission.ceilings,
            also_reload=api.look_soon,
        )
        wakes = (loops.enforcer.wake, loops.schedule.wake, loops.rotations.schedule.wake)
        loops.applier.on_change(api.end_connections, upkeep.check_soon, *wakes)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, upkeep.reload_soon)

        await upkeep.tell(EventType.STARTED, version=__version__, digest=generation.bundle.digest)
        held = {**loops.ending_tasks(), **answering.ending_tasks()}
        waiting = {name: core.hold.after(task) for name, task in held.items()}
        tasks = {**waiting, **loops.tasks(), **answering.tasks(), **upkeep.tasks()}
        for name, task in {**tasks, "holders": core.holding.run()}.items():
            start(name, task)
        if (within_s := watchdog_s()) is not None:
            start("watchdog", feed_watchdog(within_s, loops.expiry.lag_s))
        if publisher is not None:
            start("mqtt", publisher.run())
        for sink in state.sinks:
            start("audit forwarding", sink.run())
        accepting = start("accept", api.accept())
        logger.info("leasehold %s serves %s", __version__, settings.socket)
        notify("READY=1", f"STATUS=generation {generation.number} is served")

        await stop.wait()
        notify("STATUS=sealing" if sealing.done else "STOPPING=1")
        logger.info("stopping: running requests get %g s", settings.drain_s)
        accepting.cancel()
        await asyncio.wait([accepting])
        await api.close(settings.drain_s)
        await upkeep.tell(EventType.STOPPED)
        return sealing.done


async def _signs(settings: Settings, state: State) -> Signs:
    """What there is to tell an older store by; a new one is not asked about."""
    head = state.store.audit_head
    return Signs(
        known=head.seq if head else 0,
        knew=state.store_knew,
        last=state.audit_last,
        kept=await retained(settings, state.store.deployment_id) if head else None,
        asked=settings.quarantine,
    )
