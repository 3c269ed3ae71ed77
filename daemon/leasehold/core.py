"""What hands out and takes back credentials, put together once; all else works with it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from leasehold.access import Access
from leasehold.admission.admission import Admission
from leasehold.background import Background
from leasehold.bundle import EngineType
from leasehold.clock import SystemClock
from leasehold.creation import Creation
from leasehold.ending import Ending
from leasehold.engines.catalog import installed_engine_types, load_engine_class
from leasehold.engines.registry import Engines
from leasehold.holding import Holding
from leasehold.issuance import Issuance
from leasehold.kept import KeptPasswords
from leasehold.leases.freeze import Freeze
from leasehold.leases.hold import Hold
from leasehold.leases.names import AccountNames
from leasehold.leases.sqlite import SQLiteStore
from leasehold.methods.catalog import installed_methods
from leasehold.opening import State
from leasehold.readiness import Readiness
from leasehold.reconcile.drill import Drill
from leasehold.reconcile.revocation_book import RevocationBook
from leasehold.removal import Remover
from leasehold.serving import Serving
from leasehold.warm import Warm


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """One of each; nothing runs by itself. `engines` and `holding` are to be closed."""

    store: SQLiteStore
    clock: SystemClock
    types: Mapping[str, EngineType]
    kept: KeptPasswords
    serving: Serving
    engines: Engines
    names: AccountNames
    access: Access
    admission: Admission
    hold: Hold
    freeze: Freeze
    book: RevocationBook
    remover: Remover
    ending: Ending
    readiness: Readiness
    creation: Creation
    drill: Drill
    warm: Warm
    holding: Holding
    issuance: Issuance
    background: Background


def core_of(state: State, work: asyncio.TaskGroup) -> Core:
    """The core over what is opened; what a request leaves to be done later is a task of `work`."""
    store, clock, key = state.store, state.clock, state.key
    types, engines = installed_engine_types(), Engines(load_engine_class, state.kept.rotated)
    recipe_key = key.derive("recipe id")
    serving = Serving(types, engines, recipe_key, installed_methods(), state.kept)
    names = AccountNames(store.deployment_id, key.derive("account tag"))
    access = Access(serving.current, store, clock)
    admission = Admission(serving.current, serving.operations, engines, store, clock)
    hold = Hold()
    remover = Remover(store, engines, clock, hold)
    ending = Ending(store, clock, remover)
    readiness = Readiness(clock)
    creation = Creation(
        store=store,
        clock=clock,
        names=names,
        remover=remover,
        ending=ending,
        readiness=readiness,
    )
    freeze, book, background = Freeze(hold), RevocationBook(store), Background(work)
    holding = Holding(store, ending)
    warm = Warm(
        store=store,
        clock=clock,
        remover=remover,
        creation=creation,
        ending=ending,
        ends=book.ends,
    )
    issuance = Issuance(
        access=access,
        admission=admission,
        store=store,
        engines=engines,
        clock=clock,
        remover=remover,
        warm=warm,
        holding=holding,
        ending=ending,
        freeze=freeze,
        ends=book.ends,
        recipe_of=serving.recipe_of,
        background=background,
    )
    return Core(
        store=store,
        clock=clock,
        types=types,
        kept=state.kept,
        serving=serving,
        engines=engines,
        names=names,
        access=access,
        admission=admission,
        hold=hold,
        freeze=freeze,
        book=book,
        remover=remover,
        ending=ending,
        readiness=readiness,
        creation=creation,
        drill=Drill(store, clock, creation, ending),
        warm=warm,
        holding=holding,
        issuance=issuance,
        background=background,
    )
