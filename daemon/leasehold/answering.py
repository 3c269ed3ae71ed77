"""What answers requests, put together once: every route with what serves it."""

import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from leasehold.api.access import AccessHandlers
from leasehold.api.audit import AuditHandlers
from leasehold.api.audit_reader import AuditReader
from leasehold.api.caller import CallerHandlers
from leasehold.api.dispatch import Dispatcher
from leasehold.api.drift import DriftHandlers
from leasehold.api.drills import DrillHandlers
from leasehold.api.handlers import Handlers
from leasehold.api.incidents import incident_handlers
from leasehold.api.irrevocable import IrrevocableHandlers
from leasehold.api.metrics import MetricsHandlers
from leasehold.api.openapi import document
from leasehold.api.policy import PolicyHandlers
from leasehold.api.quarantine import QuarantineHandlers
from leasehold.api.quotas import QuotaHandlers
from leasehold.api.renewals import FailedRenewals
from leasehold.api.replacing import ReplacingHandlers
from leasehold.api.revocations import RevocationHandlers
from leasehold.api.rotation import RotationHandlers
from leasehold.api.routes import routes
from leasehold.api.sealing import SealHandlers
from leasehold.api.token_parts import TokenParts
from leasehold.api.vault import vault_handlers
from leasehold.api.whois import WhoisHandlers
from leasehold.core import Core
from leasehold.events.audit_search import AuditSearch
from leasehold.events.metrics import Metrics
from leasehold.identity.attestation import Attestation
from leasehold.inspection import Inspection
from leasehold.reconcile.incident_response import IncidentResponse
from leasehold.reconcile.orphan_removal import OrphanRemoval
from leasehold.reconcile.quarantine import Quarantine
from leasehold.reconcile.quarantine_look import QuarantineLook
from leasehold.reconcile.quarantine_rebuild import Rebuilding
from leasehold.reconcile.revocations import Revocations
from leasehold.reconcile.sealing import Sealing
from leasehold.reconciling import Reconciling
from leasehold.replacing import Replacing


@dataclass(frozen=True, slots=True)
class Answering:
    """`dispatcher` answers; the others are to be loaded and run before it does."""

    dispatcher: Dispatcher
    tokens: TokenParts
    response: IncidentResponse
    quarantine: Quarantine

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What runs as long as the daemon does, by name."""
        return {"quarantine": self.quarantine.run()}

    def ending_tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What ends tokens and leases by itself, and waits while the daemon is quarantined."""
        return {**self.tokens.tasks(), "incidents": self.response.run()}


def answering_of(
    core: Core,
    loops: Reconciling,
    *,
    search: AuditSearch,
    metrics: Metrics,
    attestation: Attestation,
    sealing: Sealing,
    troubles: Callable[[], Sequence[str]],
) -> Answering:
    """All routes over the core; `troubles` says what keeps the daemon from being well."""
    access, store, clock, engines = core.access, core.store, core.clock, core.engines
    inspection = Inspection(
        access=access,
        store=store,
        engines=engines,
        clock=clock,
        troubles=troubles,
        hold=core.hold,
    )
    handlers = Handlers(core.issuance, inspection, FailedRenewals(time.monotonic))
    audit = AuditReader(search)
    tokens = TokenParts(access, store, clock, core.ending, core.serving.methods)
    urgent, response = incident_handlers(
        access, store, clock, engines, core.ending, core.freeze, core.background, loops.expiry.hurry
    )
    removal = OrphanRemoval(loops.drift, engines, store, clock, core.hold)
    revocations = Revocations(
        access, store, clock, core.book, core.background, loops.enforcer.wake, loops.forcing.wake
    )
    quarantine = quarantine_of(core, loops, search)
    replacing = Replacing(access, core.issuance, store, core.remover, core.ending, core.background)
    table = routes(
        handlers,
        PolicyHandlers(access, loops.applier, store, clock, loops.enforcer.settle),
        AccessHandlers(access, core.serving.operations, audit),
        DrillHandlers(access, loops.drills, clock),
        DriftHandlers(access, loops.drift, removal, clock, core.background),
        MetricsHandlers(
            access,
            inspection,
            loops.drift,
            core.admission,
            core.kept,
            metrics,
            core.readiness,
            core.warm,
        ),
        vault_handlers(access, core.issuance, handlers, tokens.tokens, core.types, document),
        RevocationHandlers(revocations, clock),
        IrrevocableHandlers(access, inspection, loops.expiry.look_now),
        AuditHandlers(access, audit),
        CallerHandlers(access, attestation),
        WhoisHandlers(access, store, core.names, clock),
        *tokens.handlers,
        QuotaHandlers(access, core.admission),
        urgent,
        SealHandlers(sealing),
        RotationHandlers(access, loops.rotations, clock),
        QuarantineHandlers(quarantine, clock),
        ReplacingHandlers(replacing, handlers),
    )
    dispatcher = Dispatcher(table, metrics, tokens, loops.pauses.caught_up)
    return Answering(dispatcher, tokens, response, quarantine)


def quarantine_of(core: Core, loops: Reconciling, search: AuditSearch) -> Quarantine:
    """What an operator releases a quarantine with."""
    look = QuarantineLook(
        access=core.access,
        store=core.store,
        clock=core.clock,
        engines=core.engines,
        names=core.names,
        accounts=loops.accounts,
        search=search,
        rebuilding=Rebuilding(core.access, core.store.tokens, core.serving.recipe_of),
    )
    return Quarantine(
        access=core.access,
        store=core.store,
        clock=core.clock,
        hold=core.hold,
        look=look,
        remover=core.remover,
        holding=core.holding,
    )
