"""A world whose store is put back, and what puts it right again."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from fakes.policy import OPERATOR
from fakes.world import KEY, World
from leasehold.events.audit_line import KEY_PURPOSE
from leasehold.events.audit_search import AuditSearch
from leasehold.leases.names import AccountNames
from leasehold.leases.sqlite_files import DATABASE
from leasehold.reconcile.orphans import AccountLook
from leasehold.reconcile.quarantine import Quarantine
from leasehold.reconcile.quarantine_look import QuarantineLook
from leasehold.reconcile.quarantine_rebuild import Rebuilding
from leasehold.reconcile.quarantine_record import Record
from leasehold.reconcile.suspicion import Signs, standing
from leasehold.tokens.catching_up import catch_up


def keep_store(world: World) -> Path:
    """A copy of the store as it is now, beside the daemon that uses it."""
    kept = world.state_dir.with_name("kept.db")
    with closing(sqlite3.connect(world.state_dir / DATABASE)) as store:
        store.execute("VACUUM INTO ?", (str(kept),))
    return kept


async def put_back(world: World, kept: Path) -> Record:
    """Die, and start with the store that was kept; quarantined, as the audit knows more."""
    await world.crash()
    for file in world.state_dir.glob(f"{DATABASE}*"):
        file.unlink()
    shutil.copy(kept, world.state_dir / DATABASE)
    (world.state_dir / DATABASE).chmod(0o600)
    await world.start()
    head = world._store.audit_head
    signs = Signs(
        known=head.seq if head else 0,
        knew=world._audit.store_knew,
        last=world._audit.found,
        kept=None,
        asked=False,
    )
    record = await standing(world.store, world.clock, signs)
    assert record is not None
    world.remover.hold.begin(record.why)
    await catch_up(search_of(world), record.known, world.store, world._store.tokens, world.clock)
    await world.secret_ids.load()
    return record


async def release(world: World) -> Record:
    """Have the quarantine released, and carry that out; what came of it."""
    quarantine = quarantine_of(world)
    await quarantine.release(OPERATOR, adopt_doubtful=False)
    assert not await quarantine.carry_out()
    record, _ = await quarantine.show(OPERATOR)
    assert record is not None
    return record


def search_of(world: World) -> AuditSearch:
    return AuditSearch(world.state_dir / "audit.jsonl", KEY.derive(KEY_PURPOSE))


def quarantine_of(world: World) -> Quarantine:
    names = AccountNames(world.store.deployment_id, KEY.derive("account tag"))
    return Quarantine(
        access=world.access,
        store=world.store,
        clock=world.clock,
        hold=world.remover.hold,
        look=QuarantineLook(
            access=world.access,
            store=world.store,
            clock=world.clock,
            engines=world.engines,
            names=names,
            accounts=AccountLook(world.store, world.clock, names),
            search=search_of(world),
            rebuilding=Rebuilding(world.access, world._store.tokens, world._recipe_of),
        ),
        remover=world.remover,
        holding=world.holding,
    )
