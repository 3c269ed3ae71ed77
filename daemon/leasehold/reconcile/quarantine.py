"""Quarantine as operators handle it: the plan, the release, and what that came to.

A release is durable before anything is done, and goes on after a crash: each round makes the plan
anew and does what is left of it, until nothing is. Only then does what waited go on.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from leasehold.access import Access
from leasehold.clock import Clock
from leasehold.errors import Conflict, LeaseholdError, Unavailable
from leasehold.failpoints import reach
from leasehold.holding import Holding
from leasehold.leases import lifecycle
from leasehold.leases.hold import Hold
from leasehold.leases.store import Change, LeaseStore
from leasehold.loops import Rounds
from leasehold.model import Caller, Event, EventType, Lease, LeaseState
from leasehold.reconcile.quarantine_look import Case, Plan, QuarantineLook
from leasehold.reconcile.quarantine_record import KIND, NAME, Record, from_document
from leasehold.reconcile.quarantine_verdict import Action
from leasehold.removal import Remover

logger = logging.getLogger(__name__)

PATH, VERB = "leasehold/quarantine", "operate"
FIRST_S, LAST_S = 1.0, 60.0
"""How long to wait after a release could not be finished; it doubles."""
BATCH = 500
MOST_ROUNDS = 10
"""How often a plan is made anew within one attempt; the first does nearly all."""
_WORDS = {Action.ADOPT: "adopted", Action.CLOSE: "closed", Action.REVOKE: "revoked"}


class Quarantine:
    """Every route raises Denied for whom the policy gives no `operate` at leasehold/quarantine."""

    def __init__(
        self,
        *,
        access: Access,
        store: LeaseStore,
        clock: Clock,
        hold: Hold,
        look: QuarantineLook,
        remover: Remover,
        holding: Holding,
    ) -> None:
        self._access = access
        self._store = store
        self._clock = clock
        self._hold = hold
        self._look = look
        self._remover = remover
        self._holding = holding
        self._changing = asyncio.Lock()
        self._rounds = Rounds(FIRST_S, LAST_S)

    async def show(self, caller: Caller) -> tuple[Record | None, Plan | None]:
        """The last quarantine, and while it is held what a release would do. Raises Unavailable."""
        await self._access.require(caller, PATH, VERB)
        record = from_document(await self._store.document(KIND, NAME))
        if record is None or record.state != "held":
            return record, None
        try:
            return record, await self._look.plan(record)
        except OSError as error:
            raise Unavailable(f"the audit cannot be read ({error.strerror})") from error

    async def release(self, caller: Caller, *, adopt_doubtful: bool) -> Record:
        """Have it released, which is durable then. Raises Conflict when nothing is held."""
        allowed = await self._access.require(caller, PATH, VERB)
        async with self._changing:
            record = from_document(await self._store.document(KIND, NAME))
            if record is None or record.released_ms is not None:
                raise Conflict("there is no quarantine to release")
            if record.state == "held":
                record = record.releasing(allowed.identity.name, adopt_doubtful=adopt_doubtful)
                told = Event.new(
                    EventType.QUARANTINE_RELEASING,
                    self._clock.now_ms(),
                    None,
                    caller=caller,
                    by=record.by,
                    doubtful="adopt" if adopt_doubtful else "revoke",
                    **self._access.grounds(caller, PATH, VERB, allowed.rule),
                )
                await self._store.keep([record.document()], told)
        self._rounds.wake()
        return record

    async def run(self) -> None:
        """Carry out a release, also one that a crash cut off; never returns."""
        await self._rounds.run(self.carry_out)

    async def carry_out(self) -> bool:
        """Do what is left of a release; whether something still is."""
        try:
            async with self._changing:
                record = from_document(await self._store.document(KIND, NAME))
                if record is not None and record.state == "releasing":
                    await self._release(record)
        except (LeaseholdError, OSError) as trouble:
            logger.error("the quarantine is not released yet: %s", trouble)
            return True
        return False

    async def _release(self, record: Record) -> None:
        done = Counter({word: int(record.report.get(word, 0)) for word in _WORDS.values()})
        for _ in range(MOST_ROUNDS):
            plan = await self._look.plan(record)
            changes = [
                (case, change)
                for case in plan.cases
                if (change := self._change(case, record)) is not None
            ]
            if not changes:
                break
            for start in range(0, len(changes), BATCH):
                page = changes[start : start + BATCH]
                written = {
                    change.new.id
                    for change in await self._store.write_many([change for _, change in page])
                }
                done.update(_word(case) for case, change in page if change.new.id in written)
                record = replace(record, report=dict(done))
                await self._store.keep([record.document()], may_delay_audit=True)
                await reach("quarantine.page")
        else:
            raise Unavailable("leases changed while it was released; it is tried again")
        abandoned = await self._remover.abandoned()
        await self._holding.take_up()  # also what leases that were adopted are bound to
        now_ms = self._clock.now_ms()
        report: dict[str, Any] = {
            **done,
            "kept": plan.kept,
            "doubtful": plan.count(Action.DOUBTFUL),
            "abandoned": abandoned,
            "orphans": dict(plan.orphans),
            "unlooked": dict(plan.unlooked),
        }
        told = Event.new(
            EventType.QUARANTINE_RELEASED, now_ms, None, caller=None, by=record.by, **_texts(report)
        )
        record = record.released(now_ms, report)
        await self._store.keep([record.document()], told, may_delay_audit=True)
        self._hold.end()
        logger.warning("the quarantine is released: %s", _texts(report))

    def _change(self, case: Case, record: Record) -> Change | None:
        """What a case comes to in the store; None for nothing."""
        now_ms, verdict = self._clock.now_ms(), case.verdict
        if case.rebuilt is not None:
            adopts = verdict.action is Action.ADOPT
            new = case.rebuilt.active() if adopts else case.rebuilt.ending(now_ms, verdict.cause)
            kind = EventType.ADOPTED if adopts else EventType.REVOKING
            told = Event.new(kind, now_ms, new, why=verdict.why)
            return Change(
                old=None,
                new=new,
                events=(told,),
                recipe=case.rebuilt.recipe,
                may_delay_audit=not adopts,
            )
        lease = case.lease
        if lease is None:
            return None
        if verdict.action is Action.DOUBTFUL:
            until_ms = min(now_ms + lease.ttl_ms, lease.max_expires_ms)
            if not record.adopt_doubtful or until_ms <= now_ms:
                return None
            return _adopted(case, lease, now_ms, until_ms)
        if verdict.action is Action.ADOPT and case.told is not None:
            return _adopted(case, lease, now_ms, case.told.expires_ms)
        if verdict.action is Action.CLOSE:
            new, kind = lifecycle.close(lease, now_ms, verdict.cause), EventType.REVOKED
        else:
            unproven = lease.state is LeaseState.PENDING
            new = lifecycle.revoke(lease, now_ms, verdict.cause, unproven=unproven)
            kind = EventType.REVOKING
        told = Event.new(kind, now_ms, new, why=verdict.why)
        return Change(old=lease, new=new, events=(told,), may_delay_audit=True)


def _adopted(case: Case, lease: Lease, now_ms: int, until_ms: int) -> Change | None:
    if min(until_ms, case.since.get("max_expires_ms", lease.max_expires_ms)) <= now_ms:
        return None  # it has ended since it was looked at; the expiry worker sees to it
    new = lifecycle.adopt(lease, now_ms, until_ms, **case.since)
    told = Event.new(EventType.ADOPTED, now_ms, new, why=case.verdict.why)
    return Change(old=lease, new=new, events=(told,))


def _word(case: Case) -> str:
    action = case.verdict.action
    return _WORDS[Action.ADOPT if action is Action.DOUBTFUL else action]


def _texts(report: Mapping[str, Any]) -> dict[str, str]:
    """A report as short texts, without what is none."""
    told: Sequence[tuple[str, Any]] = [
        (name, sum(value.values()) if name == "orphans" else value)
        for name, value in report.items()
        if name != "unlooked"
    ]
    unlooked = ",".join(report["unlooked"])
    return {
        **{name: str(value) for name, value in told if value},
        **({"unlooked": unlooked} if unlooked else {}),
    }
