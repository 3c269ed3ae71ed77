"""Making one account, intent first, whoever asked for it (rules W1, W6).

Order is everything here: write the intent, touch the target, see that the account works if the role
asks for that, activate. What is not proven good is revoked, and a daemon that dies in between finds
the intent when it starts again.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from leasehold.bundle import Role
from leasehold.clock import Clock
from leasehold.ending import Ending, target_expiry
from leasehold.engines.guarded import GuardedEngine
from leasehold.errors import EngineError, LeaseholdError, NotReady, outcome_of
from leasehold.failpoints import reach
from leasehold.leases import lifecycle
from leasehold.leases.annotation import annotations, comment
from leasehold.leases.names import AccountNames, new_lease_id
from leasehold.leases.store import Change, LeaseStore, Limits
from leasehold.model import Caller, Cause, Event, EventType, Lease, LeaseState, Recipe
from leasehold.plugin import Issued, IssueRequest
from leasehold.quota import Kind
from leasehold.readiness import Readiness
from leasehold.removal import Remover, account_of

logger = logging.getLogger(__name__)

PENDING_MS = 60_000
"""An intent still pending after this time, or at its deadline, that nobody works on was abandoned;
the expiry worker revokes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An account to make and the lease to make it for, decided and not begun.

    `caller` is None for what the daemon does by itself; `grounds` say what allowed it, `labels`
    what it was asked for with. The lease ends with `holder`, unless that is empty. One that is
    `alone` is shared with no other request. The target's own end of the account comes `outlast_s`
    later than the lease's alone would have it. `tells` is what happened when it is made, `replaces`
    the lease whose place it takes.
    """

    mount: str
    operation: str
    role: Role
    recipe: Recipe
    engine: GuardedEngine
    identity: str
    owner: str
    tenant: str
    ttl_s: int
    max_ttl_s: int
    generation: int
    limits: Limits = field(default_factory=dict)
    caller: Caller | None = None
    grounds: Mapping[str, str] = field(default_factory=dict)
    holder: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    alone: bool = False
    outlast_s: int = 0
    tells: EventType = EventType.ISSUED
    replaces: str = ""

    def instead_of(self, lease: Lease | None) -> "Order":
        """To take the place of `lease`, which its holder and tenant have for a moment longer."""
        if lease is None:
            return self
        limits = {
            kind: most + 1 if kind in (Kind.IDENTITY, Kind.TENANT) else most
            for kind, most in self.limits.items()
        }
        return replace(self, replaces=lease.id, limits=limits, alone=True)


@dataclass(frozen=True, slots=True)
class Made:
    """An account that was made, with its lease, which is active.

    `ready_ms` is when it was seen to work, None where that was not looked at.
    """

    lease: Lease
    issued: Issued
    ready_ms: int | None = None


class Creation:
    """Makes accounts. Holds a lease's claim until it is active or sent to revoking.

    To be called in work that goes on when its caller is gone (see `background.py`).
    """

    def __init__(
        self,
        *,
        store: LeaseStore,
        clock: Clock,
        names: AccountNames,
        remover: Remover,
        ending: Ending,
        readiness: Readiness,
    ) -> None:
        self._store = store
        self._clock = clock
        self._names = names
        self._remover = remover
        self._ending = ending
        self._readiness = readiness

    async def make(self, order: Order, last_check: Callable[[Lease], None] | None = None) -> Made:
        """Make the account; its lease is active when this returns.

        `last_check` may refuse the intent just before it is written, by raising. Nothing is waited
        for between both, so what is written to the store after a refusal began comes behind the
        intents that were let through.

        Raises LimitReached, NotReady, Unavailable and EngineError: then nothing is left behind, or
        what may be left is queued for revocation.
        """
        self._remover.hold.check()
        intent = self._intent(order)
        told = Event.new(
            EventType.INTENDED, intent.issued_ms, intent, caller=order.caller, **order.grounds
        )
        told_there = annotations(intent) if order.role.annotate else {}
        await reach("issue.before-intent")
        async with self._remover.claims.of(intent.id):
            if last_check is not None:
                last_check(intent)
            await self._store.write(
                Change(
                    old=None, new=intent, events=(told,), limits=order.limits, recipe=order.recipe
                )
            )
            await reach("issue.intended")
            called_ms = self._clock.now_ms()
            try:
                issued = await order.engine.issue(
                    IssueRequest(
                        account=account_of(intent, order.recipe),
                        expires_at=target_expiry(
                            self._clock, intent.expires_ms + order.outlast_s * 1000
                        ),
                        password_policy=order.role.password_policy,
                        comment=comment(told_there, intent.id),
                        labels=told_there,
                    )
                )
                await reach("issue.created")
                made_ms = self._clock.now_ms()
                ready_ms = await self._prove(order, issued)
                lease = lifecycle.activate(intent, issued.handle)
                events = [
                    Event.new(
                        order.tells,
                        self._clock.now_ms(),
                        lease,
                        caller=order.caller,
                        target=lease.target,
                        outcome="made",
                        ms=str(made_ms - called_ms),
                    )
                ]
                if ready_ms is not None:
                    took = {"target": lease.target, "ms": str(ready_ms - made_ms)}
                    ready = Event.new(EventType.READY, ready_ms, lease, caller=order.caller, **took)
                    events.insert(0, ready)
                await self._store.write(Change(old=intent, new=lease, events=tuple(events)))
                await reach("issue.activated")
            except BaseException as error:
                await self._abandon(intent, error, order.caller)
                raise
        return Made(lease, issued, ready_ms)

    async def _prove(self, order: Order, issued: Issued) -> int | None:
        """When the account was seen to work, if the role asks for that."""
        ready = order.role.ready
        if ready is None:
            return None
        path = f"{order.mount}/{order.operation}/{order.role.name}"
        return await self._readiness.prove(path, ready, order.engine, issued.credential)

    async def _abandon(self, intent: Lease, error: BaseException, caller: Caller | None) -> None:
        """Revoke what an issue that failed may have made; its own trouble is only logged."""
        proven = isinstance(error, NotReady) or (
            isinstance(error, EngineError) and not error.outcome_unknown
        )
        why = str(error) if isinstance(error, EngineError | NotReady) else type(error).__name__
        try:
            lease = await self._store.get(intent.id)
            if lease is None or lease.state not in lifecycle.NOT_ENDING:
                return
            lease = await self._ending.send_to_revoking(
                lease,
                EventType.ISSUE_FAILED,
                Cause.ISSUE_FAILED,
                caller,
                unproven=not proven,
                why=why,
                grounds={"target": lease.target, **outcome_of(error)},
            )
            await reach("issue.abandoned")
            await self._remover.remove([lease])
        except LeaseholdError as trouble:
            logger.warning("the expiry worker will revoke lease %s: %s", intent.id, trouble)

    def _intent(self, order: Order) -> Lease:
        now_ms = self._clock.now_ms()
        lease_id = new_lease_id(f"{order.mount}/{order.operation}/{order.role.name}")
        issued_s = int(self._clock.wall(now_ms).timestamp())
        return Lease(
            id=lease_id,
            state=LeaseState.PENDING,
            mount=order.mount,
            operation=order.operation,
            role=order.role.name,
            engine=order.recipe.engine,
            engine_type=order.recipe.engine_type,
            identity=order.identity,
            owner=order.owner,
            tenant=order.tenant,
            account=self._names.account(lease_id, order.role.username_template, issued_s=issued_s),
            target=order.engine.target_id,
            recipe_id=order.recipe.id,
            generation=order.generation,
            issued_ms=now_ms,
            ttl_ms=order.ttl_s * 1000,
            expires_ms=now_ms + order.ttl_s * 1000,
            max_expires_ms=now_ms + order.max_ttl_s * 1000,
            next_ms=now_ms + min(PENDING_MS, order.ttl_s * 1000),
            labels=order.labels,
            holder=order.holder,
            replaces=order.replaces,
        )
