"""What stands in the state directory, opened in its order: key, store, clock, audit."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass

from leasehold.clock import SystemClock
from leasehold.events.audit import FileAudit
from leasehold.events.audit_files import CURRENT
from leasehold.events.audit_line import GENESIS, KEY_PURPOSE, Written
from leasehold.events.audit_rotation import Rotation
from leasehold.events.audit_search import AuditSearch
from leasehold.events.forwarding import Forwarder, forwarders
from leasehold.events.metrics import CountedAudit, Metrics
from leasehold.failpoints import reach
from leasehold.kept import KeptPasswords
from leasehold.keys.keyfile import Key, load_or_create
from leasehold.leases import sqlite_files
from leasehold.leases.sqlite import SQLiteStore
from leasehold.settings import Settings


@dataclass(frozen=True, slots=True)
class State:
    """The store takes writes, and `kept` was read from it.

    `search` reads the audit; `sinks` have its lines waiting for them. `store_knew` and `audit_last`
    are of the audit as it was found (see `FileAudit`).
    """

    store: SQLiteStore
    clock: SystemClock
    key: Key
    kept: KeptPasswords
    search: AuditSearch
    store_knew: int
    audit_last: int
    sinks: Sequence[Forwarder]


@asynccontextmanager
async def opened(
    settings: Settings, metrics: Metrics, key: Key | None = None
) -> AsyncIterator[State]:
    """The state directory as the settings have it, until the block is left. Raises ConfigError.

    Without a `key` the key file is read.
    """
    state_dir = settings.state_dir
    sqlite_files.prepare(state_dir)
    is_new = not (state_dir / sqlite_files.DATABASE).exists()
    if key is None:
        key = load_or_create(settings.key_file, may_create=is_new)
    store = SQLiteStore(state_dir, key)
    clock, sinks = SystemClock(store.saved_anchor), forwarders(settings, metrics)
    path, chain_key = state_dir / CURRENT, key.derive(KEY_PURPOSE)

    def offer(lines: Sequence[Written]) -> None:
        for sink in sinks:
            sink.offer(lines)

    audit = FileAudit(
        path,
        chain_key,
        head=store.audit_head or GENESIS,
        wall=clock.wall,
        boot=uuid.uuid4().hex[:12],
        rotation=Rotation.of(settings),
        tell=offer,
    )
    with closing(audit):
        store.start(CountedAudit(audit, metrics), clock)
        for sink in sinks:
            store.subscribe(sink.wake)
        try:
            kept = KeptPasswords(store)
            await kept.load()
            await reach("start.opened")
            search = AuditSearch(path, chain_key)
            yield State(store, clock, key, kept, search, audit.store_knew, audit.found, sinks)
        finally:
            await store.close()
