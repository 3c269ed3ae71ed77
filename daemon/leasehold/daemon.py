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
import time
from functools import partial
from pathlib import Path

from leasehold import __version__, failpoints
from leasehold.access import Access
from leasehold.admission.admission import Admission
from leasehold.api.access import AccessHandlers
from leasehold.api.audit import AuditHandlers
from leasehold.api.caller import CallerHandlers
from leasehold.api.dispatch import Dispatcher
from leasehold.api.drift import DriftHandlers
from leasehold.api.drills import DrillHandlers
from leasehold.api.handlers import Handlers
from leasehold.api.incidents import incident_handlers
from leasehold.api.irrevocable import IrrevocableHandlers
from leasehold.api.listening import ListeningSocket, SocketSpec, hand_on
from leasehold.api.metrics import MetricsHandlers
from leasehold.api.openapi import document
from leasehold.api.policy import PolicyHandlers
from leasehold.api.quotas import QuotaHandlers
from leasehold.api.renewals import FailedRenewals
from leasehold.api.revocations import RevocationHandlers
from leasehold.api.routes import routes
from leasehold.api.sealing import SealHandlers
from leasehold.api.server import ApiServer
from leasehold.api.tls_listening import TlsListener
from leasehold.api.token_parts import TokenParts
from leasehold.api.vault import vault_handlers
from leasehold.api.whois import WhoisHandlers
from leasehold.background import Background
from leasehold.creation import Creation
from leasehold.ending import Ending
from leasehold.engines.catalog import installed_engine_types, load_engine_class
from leasehold.engines.registry import Engines
from leasehold.errors import ConfigError
from leasehold.events.metrics import Metrics
from leasehold.expiry import ExpiryWorker
from leasehold.hardening import begin_anew, harden
from leasehold.holding import Holding
from leasehold.identity.attestation import Attestation
from leasehold.identity.hashing import Hashes
from leasehold.identity.peercred import in_user_namespace
from leasehold.inspection import Inspection
from leasehold.issuance import Issuance
from leasehold.keys.sealflag import SealFlag
from leasehold.leases.freeze import Freeze
from leasehold.leases.names import AccountNames
from leasehold.loops import eternal_tasks
from leasehold.methods.catalog import installed_methods
from leasehold.model import EventType
from leasehold.opening import opened
from leasehold.publishing import publisher as publisher_of
from leasehold.reconcile.applier import Applier
from leasehold.reconcile.drift import Drift
from leasehold.reconcile.drill import Drill
from leasehold.reconcile.drill_schedule import DrillSchedule
from leasehold.reconcile.drills import Drills
from leasehold.reconcile.enforcer import Enforcer
from leasehold.reconcile.forcing import Forcing
from leasehold.reconcile.orphan_removal import OrphanRemoval
from leasehold.reconcile.orphans import AccountLook
from leasehold.reconcile.policy_drift import not_served
from leasehold.reconcile.rehearsal import Rehearsal
from leasehold.reconcile.revocation_book import RevocationBook
from leasehold.reconcile.revocations import Revocations
from leasehold.reconcile.sealing import Sealing, Unsealing, may_serve
from leasehold.removal import Remover
from leasehold.sealed import until_unsealed
from leasehold.serving import Serving
from leasehold.settings import Settings
from leasehold.sources.choose import source_for
from leasehold.systemd import notify
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
        metrics, freeze = Metrics(), Freeze()
        state = await stack.enter_async_context(opened(settings, metrics, by.key if by else None))
        store, clock, key = state.store, state.clock, state.key
        if not await may_serve(store, clock, flag, by):
            return True
        types, engines = installed_engine_types(), Engines(load_engine_class)
        stack.push_async_callback(engines.close)
        serving = Serving(types, engines, key.derive("recipe id"), installed_methods())
        remover = Remover(store, engines, clock)
        ending = Ending(store, clock, remover)
        names = AccountNames(store.deployment_id, key.derive("account tag"))
        creation = Creation(store=store, clock=clock, names=names, remover=remover, ending=ending)
        drill = Drill(store, clock, creation, ending)
        work = asyncio.TaskGroup()  # entered below: what cannot start must not be wrapped by it
        background = Background(work)
        applier = Applier(
            source=source_for(settings),
            serving=serving,
            store=store,
            engines=engines,
            clock=clock,
            rehearsal=Rehearsal(
                serving=serving,
                engines=engines,
                store=store,
                clock=clock,
                drill=drill,
                background=background,
            ),
            automatic=settings.apply == "auto",
        )
        generation = await applier.start()
        drills = Drills(
            serving=serving,
            engines=engines,
            store=store,
            clock=clock,
            ending=ending,
            drill=drill,
            background=background,
        )
        await drills.start()
        if abandoned := await remover.abandoned():
            logger.warning("a crash left %d intents; their accounts are revoked", abandoned)
        spec = SocketSpec(settings.socket, settings.socket_mode, settings.socket_group)
        listening = ListeningSocket(spec)
        stack.callback(listening.close)
        tls = None if settings.tls is None else TlsListener(settings.tls, clock)
        publisher = await publisher_of(settings, store, clock)
        holding = Holding(store, ending)
        stack.callback(holding.close)
        start = await stack.enter_async_context(eternal_tasks())
        await stack.enter_async_context(work)

        access = Access(serving.current, store, clock)
        admission = Admission(serving.current, serving.operations, engines, store, clock)
        await holding.start()
        book = RevocationBook(store)
        issuance = Issuance(
            access=access,
            admission=admission,
            store=store,
            engines=engines,
            clock=clock,
            remover=remover,
            creation=creation,
            holding=holding,
            ending=ending,
            freeze=freeze,
            ends=book.ends,
            recipe_of=serving.recipe_of,
            background=background,
        )
        drift = Drift(
            generation=serving.current,
            policy_trouble=partial(not_served, applier),
            engines=engines,
            store=store,
            clock=clock,
            accounts=AccountLook(store, clock, names),
            every_s=settings.drift_every_s,
        )
        inspection = Inspection(
            access=access,
            store=store,
            engines=engines,
            clock=clock,
            troubles=lambda: (
                *troubles(applier, engines, admission.ceilings, publisher),
                *drift.troubles(),
                *drills.troubles(),
                *freeze.troubles(),
                *api.troubles(),
                *(sink.trouble for sink in state.sinks if sink.trouble),
            ),
        )
        handlers = Handlers(issuance, inspection, FailedRenewals(time.monotonic))
        expiry = ExpiryWorker(store, clock, remover)
        enforcer = Enforcer(store, clock, ending, book, expiry.hurry)
        forcing = Forcing(store, clock, remover, drift, book)
        policy = PolicyHandlers(access, applier, store, clock, enforcer.settle)
        questions = AccessHandlers(access, serving.operations, state.search)
        attestation = Attestation(lambda: serving.current().bundle, Hashes(clock))
        of_caller = CallerHandlers(access, attestation)
        of_drills = DrillHandlers(access, drills, clock)
        removal = OrphanRemoval(drift, engines, store, clock)
        of_drift = DriftHandlers(access, drift, removal, clock, background)
        of_metrics = MetricsHandlers(access, inspection, drift, admission, metrics)
        vault = vault_handlers(access, issuance, handlers, types, document)
        revocations = Revocations(
            access, store, clock, book, background, enforcer.wake, forcing.wake
        )
        bulk = RevocationHandlers(revocations, clock)
        stuck = IrrevocableHandlers(access, inspection, expiry.look_now)
        of_audit = AuditHandlers(access, state.search)
        tokens = TokenParts(access, store, clock, ending, serving.methods)
        await tokens.wrapping.start()
        urgent, response = incident_handlers(
            access, store, clock, engines, ending, freeze, background, expiry.hurry
        )
        await asyncio.gather(response.load(), enforcer.load())
        sealing = Sealing(access, store, clock, freeze, flag, background, stop.set)
        table = routes(
            *(handlers, policy, questions, of_drills, of_drift, of_metrics, vault, bulk, stuck),
            of_audit,
            of_caller,
            WhoisHandlers(access, store, names, clock),
            *tokens.handlers,
            QuotaHandlers(access, admission),
            urgent,
            SealHandlers(sealing),
        )
        api = ApiServer(listening, Dispatcher(table, metrics, tokens), tls, attestation)
        schedule = DrillSchedule(drills, serving, clock)
        upkeep = Upkeep(
            serving=serving,
            applier=applier,
            engines=engines,
            store=store,
            clock=clock,
            remover=remover,
            ceilings=admission.ceilings,
            also_reload=api.look_soon,
        )
        applier.on_change(api.end_connections, upkeep.check_soon, enforcer.wake, schedule.wake)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, upkeep.reload_soon)

        await upkeep.tell(EventType.STARTED, version=__version__, digest=generation.bundle.digest)
        start("expiry", expiry.run())
        for name, task in tokens.tasks().items():
            start(name, task)
        start("holders", holding.run())
        start("clock", upkeep.watch_clock())
        start("engine checks", upkeep.check_engines())
        start("reload", upkeep.reload_when_asked())
        start("orders", enforcer.run())
        start("incidents", response.run())
        start("forcing", forcing.run())
        start("policy source", applier.follow())
        start("drills", schedule.run())
        start("drift", drift.run())
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
