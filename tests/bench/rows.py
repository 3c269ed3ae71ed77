"""Leases put into the store of a stopped daemon, through the store's own classes.

They are copies of one lease that the daemon itself made, so that their recipe is kept and every row
verifies; only ids, accounts and times differ.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from leasehold.clock import SystemClock
from leasehold.events.audit import FileAudit
from leasehold.events.audit_files import CURRENT
from leasehold.events.audit_line import GENESIS, KEY_PURPOSE
from leasehold.keys.keyfile import load_or_create
from leasehold.leases.names import AccountNames, new_lease_id
from leasehold.leases.sqlite import SQLiteStore
from leasehold.leases.store import Change
from leasehold.model import Lease

BATCH = 2_000


@dataclass(frozen=True)
class Written:
    """Ids of leases and names of their accounts; all end at `end`, by time.monotonic()."""

    ids: Sequence[str]
    accounts: Sequence[str]
    end: float


def write_leases(state: Path, like: str, count: int, ttl_s: float) -> Written:
    """Put `count` active leases like the one with id `like` into the store."""
    return asyncio.run(_write_leases(state, like, count, ttl_s))


async def _write_leases(state: Path, like: str, count: int, ttl_s: float) -> Written:
    key = load_or_create(state / "key", may_create=False)
    store = SQLiteStore(state, key)
    clock = SystemClock(store.saved_anchor)
    audit = FileAudit(
        state / CURRENT,
        key.derive(KEY_PURPOSE),
        head=store.audit_head or GENESIS,
        wall=clock.wall,
        boot="bench",
    )
    store.start(audit, clock)
    names = AccountNames(store.deployment_id, key.derive("account tag"))
    template = await store.get(like)
    assert template is not None
    now_ms = clock.now_ms()
    end = time.monotonic() + ttl_s
    leases = [_copy(template, names, now_ms, int(ttl_s * 1000)) for _ in range(count)]
    for start in range(0, count, BATCH):
        await store.write_many(
            [Change(old=None, new=lease) for lease in leases[start : start + BATCH]]
        )
    await store.close()
    audit.close()
    return Written([lease.id for lease in leases], [lease.account for lease in leases], end)


def _copy(template: Lease, names: AccountNames, now_ms: int, ttl_ms: int) -> Lease:
    lease_id = new_lease_id(template.path)
    return replace(
        template,
        id=lease_id,
        account=names.core(lease_id),
        issued_ms=now_ms,
        ttl_ms=ttl_ms,
        expires_ms=now_ms + ttl_ms,
        max_expires_ms=now_ms + max(ttl_ms, 86_400_000),
        warned=True,
        next_ms=now_ms + ttl_ms,
    )
