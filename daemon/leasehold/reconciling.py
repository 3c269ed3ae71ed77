"""What holds policy, ledger and targets together by itself: the loops beside the requests."""

from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from leasehold.core import Core
from leasehold.events.audit_search import AuditSearch
from leasehold.expiry import ExpiryWorker
from leasehold.pauses import Pauses
from leasehold.reconcile.applier import Applier
from leasehold.reconcile.drift import Drift
from leasehold.reconcile.drill_schedule import DrillSchedule
from leasehold.reconcile.drills import Drills
from leasehold.reconcile.enforcer import Enforcer
from leasehold.reconcile.forcing import Forcing
from leasehold.reconcile.orphans import AccountLook
from leasehold.reconcile.policy_drift import not_served
from leasehold.reconcile.rehearsal import Rehearsal
from leasehold.reconcile.scrubbing import Scrubbing
from leasehold.rotation.parts import Rotations
from leasehold.settings import Settings
from leasehold.sources.choose import source_for
from leasehold.warming import Warming


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciling:
    """One of each."""

    applier: Applier
    drills: Drills
    accounts: AccountLook
    drift: Drift
    expiry: ExpiryWorker
    pauses: Pauses
    enforcer: Enforcer
    forcing: Forcing
    schedule: DrillSchedule
    rotations: Rotations
    warming: Warming
    scrubbing: Scrubbing

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What runs as long as the daemon does, by name."""
        return {
            "policy source": self.applier.follow(),
            "drift": self.drift.run(),
            "scrub": self.scrubbing.run(),
        }

    def ending_tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What makes or ends leases by itself, and waits while the daemon is quarantined."""
        return {
            "expiry": self.expiry.run(),
            "pauses": self.pauses.run(),
            "orders": self.enforcer.run(),
            "forcing": self.forcing.run(),
            "drills": self.schedule.run(),
            "rotations": self.rotations.schedule.run(),
            "warming": self.warming.run(),
        }


def reconciling_of(core: Core, settings: Settings, search: AuditSearch) -> Reconciling:
    """The loops over the core, as the settings have them."""
    applier = Applier(
        source=source_for(settings),
        serving=core.serving,
        store=core.store,
        engines=core.engines,
        clock=core.clock,
        rehearsal=Rehearsal(
            serving=core.serving,
            engines=core.engines,
            store=core.store,
            clock=core.clock,
            drill=core.drill,
            background=core.background,
        ),
        automatic=settings.apply == "auto",
    )
    drills = Drills(
        serving=core.serving,
        engines=core.engines,
        store=core.store,
        clock=core.clock,
        ending=core.ending,
        drill=core.drill,
        background=core.background,
    )
    accounts = AccountLook(core.store, core.clock, core.names)
    drift = Drift(
        generation=core.serving.current,
        policy_trouble=partial(not_served, applier),
        engines=core.engines,
        store=core.store,
        clock=core.clock,
        accounts=accounts,
        hold=core.hold,
        every_s=settings.drift_every_s,
    )
    expiry = ExpiryWorker(core.store, core.clock, core.remover)
    return Reconciling(
        applier=applier,
        drills=drills,
        accounts=accounts,
        drift=drift,
        expiry=expiry,
        pauses=Pauses(core.store, core.clock, expiry.due_tried),
        enforcer=Enforcer(core.store, core.clock, core.ending, core.book, expiry.hurry),
        forcing=Forcing(core.store, core.clock, core.remover, drift, core.book),
        schedule=DrillSchedule(drills, core.serving, core.clock),
        rotations=Rotations(
            core.access,
            core.kept,
            core.engines,
            core.store,
            core.clock,
            core.freeze,
            core.background,
            applier.alone,
        ),
        warming=Warming(
            warm=core.warm,
            generation=core.serving.current,
            operations=core.serving.operations,
            engines=core.engines,
            admission=core.admission,
            creation=core.creation,
            ending=core.ending,
            freeze=core.freeze,
            store=core.store,
            clock=core.clock,
            recipe_of=core.serving.recipe_of,
        ),
        scrubbing=Scrubbing(core.store, core.clock, core.names, search, drift),
    )
