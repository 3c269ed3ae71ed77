"""The invariants I1 to I12: from a census and the clients' journal to what was not kept. Pure.

They hold at any moment at which the daemon has been up for a sweep. Each is one function, which
yields a line for each case; `violations` asks them all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chaos.facts import ENDED, Census, Violation
from chaos.journal import Journal, Outcome

LATE_MS = 5_000
"""How long after its end a lease may still be active (rule P2)."""
OVERDUE_MS = 40_000
"""An account that stands longer than that after its end must have been told as overdue; the daemon
says that it tells after 30 s."""
RESOLVED_MS = 60_000
"""What a client did not receive is revoked within this time."""
STEP_MS = 1_000
"""The audit tells ends by the wall clock, which is slewed a little."""
GROWTH = 12
"""What three engines may still open until all of their few connections are in use."""
GROWTH_MB = 40.0
_OUTCOMES = {"issued", "issue-failed"}
_FINAL = {"revoked", "expired", "forced"}
_STEPS = {"intended": 0, **dict.fromkeys(_OUTCOMES, 1), **dict.fromkeys(_FINAL, 2)}
"""The story of each lease (T45): what is to be done, what came of it, and the end."""
_BEGINNINGS = {"intended", "issued", "renewed"}
"""Events that say until when a lease may live."""


@dataclass(frozen=True)
class Evidence:
    """What the invariants are asked about. `early` is an early census of the same
    process."""

    census: Census
    journal: Journal
    early: Census | None = None


def i1_accounts_have_leases(it: Evidence) -> Iterator[str]:
    """Each account of ours has a lease that is not over; also a reported orphan is one too many."""
    census = it.census
    live = {(row.engine, row.account) for row in census.rows.values() if row.live}
    moving = {census.rows[id].account for id in census.moving if id in census.rows}
    for engine, accounts in census.accounts.items():
        for name in accounts:
            if (engine, name) not in live and name not in moving:
                told = "reported" if name in census.reported else "not reported"
                yield f"account {name} at {engine} has no live lease ({told})"


def i2_active_leases_have_accounts(it: Evidence) -> Iterator[str]:
    """Each active lease has its account, which may log in; no lease ends before its time."""
    census = it.census
    for row in census.rows.values():
        if row.state != "active" or row.id in census.moving or row.expires_ms <= census.at_ms:
            continue
        may = census.accounts.get(row.engine, {}).get(row.account)
        if may is None:
            yield f"lease {row.id} is active, and {row.engine} has no account {row.account}"
        elif not may or census.opened.get(row.account) is False:
            yield f"lease {row.id} is active, and its account {row.account} cannot log in"
    for held in it.journal.held.values():
        row = census.rows.get(held.lease_id)
        if row is None or held.ended or held.perhaps or row.id in census.moving:
            continue
        if row.state != "active" and held.earliest_ms > census.boot_ms:
            left_s = (held.earliest_ms - census.boot_ms) / 1000
            yield f"lease {row.id} is {row.state}, and was promised for {left_s:.1f} s more"


def i3_revoked_leases_have_no_account(it: Evidence) -> Iterator[str]:
    """Where a lease is over its account is gone; so is the account of which a client heard that."""
    census = it.census
    for row in census.rows.values():
        if row.state == ENDED and row.account in census.accounts.get(row.engine, {}):
            yield f"lease {row.id} is over, and {row.engine} has its account {row.account}"
    for held in it.journal.held.values():
        if held.ended and census.accounts.get(held.engine, {}).get(held.account):
            yield f"lease {held.lease_id} was said to be over, and {held.account} may log in"


def i4_nothing_outlives_its_deadline(it: Evidence) -> Iterator[str]:
    """Past its deadline no lease is active and no account may log in, or that has been told."""
    census = it.census
    for row in census.rows.values():
        over_ms = census.at_ms - row.expires_ms
        if row.state in ("pending", "active") and over_ms > LATE_MS:
            yield f"lease {row.id} is {row.state} {over_ms / 1000:.1f} s after its end"
        told = census.told.get(row.id)
        said = row.overdue and told is not None and "overdue" in told.events
        if row.state == "revoking" and over_ms > OVERDUE_MS and not said:
            yield f"lease {row.id} ends since {over_ms / 1000:.0f} s and is not told as overdue"
    for held in it.journal.held.values():
        over_ms = census.boot_ms - held.latest_ms
        row = census.rows.get(held.lease_id)
        if over_ms <= LATE_MS or (row is not None and row.overdue):
            continue
        if census.accounts.get(held.engine, {}).get(held.account):
            yield f"{held.account} may log in {over_ms / 1000:.1f} s after its client's deadline"


def i5_no_lease_disappears(it: Evidence) -> Iterator[str]:
    """Every lease that was acknowledged or ever counted is in the ledger, with its intent."""
    rows = it.census.rows
    for lease_id in it.journal.held.keys() - rows.keys():
        yield f"lease {lease_id} was acknowledged, and the ledger does not have it"
    for lease_id in it.journal.rows - rows.keys() - it.journal.held.keys():
        yield f"lease {lease_id} was in the ledger, and is not any more"
    if not it.census.delayed:
        for row in rows.values():
            told = it.census.told.get(row.id)
            if told is None or "intended" not in told.events:
                yield f"lease {row.id} is in the ledger, and its intent is not in the audit"


def i6_clients_and_ledger_agree(it: Evidence) -> Iterator[str]:
    """What a client received is in ledger and audit as it got it; what none received ends soon."""
    census = it.census
    yield from it.journal.failures
    for held in it.journal.held.values():
        row, told = census.rows.get(held.lease_id), census.told.get(held.lease_id)
        if not census.delayed and (told is None or "issued" not in told.events):
            yield f"a client holds {held.lease_id}, and the audit does not say that it was issued"
        if row is not None and (row.account, row.reason) != (held.account, held.nonce):
            yield f"lease {row.id} belongs to another request than its client's"
    for row in census.rows.values():
        if row.state not in ("pending", "active") or row.id in it.journal.held or not row.reason:
            continue
        ask = it.journal.asks.get(row.reason)
        if ask is None:
            yield f"lease {row.id} is {row.state}, and nobody asked for it"
            continue
        waited_ms = census.boot_ms - ask.since_ms
        if ask.outcome in (Outcome.REFUSED, Outcome.HUNG_UP) and waited_ms > RESOLVED_MS:
            since = f"{waited_ms / 1000:.0f} s after its request was {ask.outcome}"
            yield f"lease {row.id} is {row.state} {since}"


def i7_the_audit_is_whole(it: Evidence) -> Iterator[str]:
    """The chain verifies, the ledger knows its head, each lease has its intent, outcome and end."""
    census = it.census
    yield from census.audit_faults
    if census.line_at_store_head != census.store_head:
        yield f"the ledger knows line {census.store_head.seq} of the audit, which is not there"
    if census.delayed:
        return
    for row in census.rows.values():
        told = census.told.get(row.id)
        events = () if told is None else tuple(told.events)
        if row.state == "active" and "issued" not in events:
            yield f"lease {row.id} is active, and the audit does not say that it was issued"
        if row.state != "pending" and not _OUTCOMES.intersection(events):
            yield f"lease {row.id} is {row.state}, and the audit does not say what came of it"
        if row.state == ENDED and not _FINAL.intersection(events):
            yield f"lease {row.id} is over, and the audit does not say so"
        steps = [_STEPS[event] for event in events if event in _STEPS]
        if steps != sorted(steps):
            yield f"lease {row.id}: the audit tells {', '.join(events)}, which is no order"


def story_is_whole(events: Sequence[str]) -> bool:
    """Whether the audit of a lease that is over has its intent, its outcome and its end."""
    return {_STEPS[event] for event in events if event in _STEPS} == {0, 1, 2}


def i8_events_have_no_gap(it: Evidence) -> Iterator[str]:
    """Every event that got a number waits in the outbox or was heard, first in its order."""
    census = it.census
    if census.heard is None:
        return
    first = list(dict.fromkeys(census.heard))
    if first != sorted(first):
        yield "events were heard out of order"
    lost = set(range(1, census.numbered + 1)) - set(first) - set(census.waiting)
    if lost:
        some = ", ".join(map(str, sorted(lost)[:5]))
        yield f"{len(lost)} events are neither in the outbox nor were heard: {some}"


def i9_no_secret_is_at_rest(it: Evidence) -> Iterator[str]:
    """No password that was issued stands in anything that was written."""
    yield from it.census.leaks


def i10_deadlines_never_grow(it: Evidence) -> Iterator[str]:
    """No lease ends later than its issue and its audited renewals said, nor past its maximum.

    A line is durable before its change is, so a crash may leave a renewal in the audit that never
    came to be: after one to an earlier end the old one may still hold.
    """
    for row in it.census.rows.values():
        if row.expires_ms > row.max_expires_ms:
            yield f"lease {row.id} ends after its maximum"
        told = it.census.told.get(row.id)
        if told is None or it.census.delayed:
            continue
        latest_ms = 0
        for event, ends_ms in told.deadlines:
            if event in _BEGINNINGS:
                latest_ms = max(latest_ms, ends_ms)
            elif ends_ms > latest_ms + STEP_MS:
                yield f"lease {row.id} ends later by an event {event}"
                break
        if row.expires_ms > latest_ms + STEP_MS:
            yield f"lease {row.id} ends later than the audit ever said"


def i11_nothing_grows(it: Evidence) -> Iterator[str]:
    """Descriptors, threads and memory of one process stay what they were many faults ago."""
    if it.early is None or it.early.process is None or it.census.process is None:
        return
    now, then = it.census.process, it.early.process
    for name in ("descriptors", "threads", "sockets"):
        grown = getattr(now, name) - getattr(then, name)
        if grown > GROWTH:
            yield f"the daemon has {grown} {name} more than many faults ago"
    grown_mb = now.resident_mb - then.resident_mb
    if grown_mb > GROWTH_MB:
        yield f"the daemon has {grown_mb:.0f} MB more than many faults ago"


def i12_the_ledger_is_whole(it: Evidence) -> Iterator[str]:
    """SQLite finds its file whole, and every row verifies."""
    yield from it.census.damage


ALL: dict[str, Callable[[Evidence], Iterator[str]]] = {
    "I1": i1_accounts_have_leases,
    "I2": i2_active_leases_have_accounts,
    "I3": i3_revoked_leases_have_no_account,
    "I4": i4_nothing_outlives_its_deadline,
    "I5": i5_no_lease_disappears,
    "I6": i6_clients_and_ledger_agree,
    "I7": i7_the_audit_is_whole,
    "I8": i8_events_have_no_gap,
    "I9": i9_no_secret_is_at_rest,
    "I10": i10_deadlines_never_grow,
    "I11": i11_nothing_grows,
    "I12": i12_the_ledger_is_whole,
}


def violations(it: Evidence) -> list[Violation]:
    """All that was not kept."""
    return [Violation(name, what) for name, find in ALL.items() for what in find(it)]
