"""The verbs of a lease: issue, renew, revoke. Each reads from top to bottom.

Order is everything here. Issue: decide, write the intent, touch the target, activate, answer; what
is not proven good is revoked (rules W1, W6). Renew: the target first, the ledger second, so that a
crash between them errs to the earlier date (W14). Revoke: the ledger first, the target second, so
that a crash between them is caught up.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from leasehold.access import Access, longest_s
from leasehold.background import Background
from leasehold.bundle import EngineConfig, Role
from leasehold.clock import Clock
from leasehold.ending import Ending, target_expiry
from leasehold.engines.guarded import GuardedEngine
from leasehold.engines.registry import Engines
from leasehold.errors import Conflict, EngineError, Invalid, LeaseholdError, Unavailable
from leasehold.failpoints import hit
from leasehold.leases import lifecycle, ttl
from leasehold.leases.names import AccountNames, new_lease_id
from leasehold.leases.store import Change, LeaseStore, Limits
from leasehold.model import Caller, Cause, Credential, Event, EventType, Lease, LeaseState, Recipe
from leasehold.plugin import IssueRequest
from leasehold.policy.decide import Allowed
from leasehold.removal import Remover, account_of

logger = logging.getLogger(__name__)

PENDING_MS = 60_000
"""An intent still pending after this time was abandoned; the expiry worker revokes it."""
RENEW_TRIES = 3


@dataclass(frozen=True, slots=True)
class IssuedLease:
    """A new lease with its credential, which exists nowhere else."""

    lease: Lease
    credential: Credential
    ttl_s: int
    renewable: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RenewedLease:
    """A lease with its new deadline, `ttl_s` seconds from now."""

    lease: Lease
    ttl_s: int
    renewable: bool
    warnings: tuple[str, ...] = ()


class Issuance:
    """Carries out the verbs. `recipe_of` freezes what revoking an account of a role will need."""

    def __init__(
        self,
        *,
        access: Access,
        store: LeaseStore,
        engines: Engines,
        clock: Clock,
        names: AccountNames,
        remover: Remover,
        ending: Ending,
        recipe_of: Callable[[EngineConfig, Role], Recipe],
        background: Background,
    ) -> None:
        self.clock = clock
        self._access = access
        self._store = store
        self._engines = engines
        self._names = names
        self._remover = remover
        self._ending = ending
        self._recipe_of = recipe_of
        self._background = background

    async def issue(
        self, caller: Caller, mount: str, operation: str, role: str, *, ttl_s: int | None = None
    ) -> IssuedLease:
        """Make an account, and a lease of `ttl_s` seconds (capped with a warning) for it.

        Raises Denied, Invalid (unknown role), LimitReached, Unavailable, and EngineError: then
        nothing is left behind, or what may be left is queued for revocation.
        """
        decision = await self._access.require(caller, f"{mount}/{operation}/{role}", "issue")
        config, its_role = self._access.role(mount, role)
        engine = self._engines.current(config.name)
        if operation not in engine.operations:
            offers = ", ".join(sorted(engine.operations))
            raise Invalid(f"{mount} offers {offers}, not {operation}")
        if self.clock.suspect:
            raise Unavailable("the wall clock stepped; nothing is issued until it has settled")
        await engine.ready()
        cap_s = longest_s(its_role, decision)
        order = _Order(
            caller=caller,
            path=f"{mount}/{operation}/{role}",
            decision=decision,
            role=its_role,
            recipe=self._recipe_of(config, its_role),
            engine=engine,
            granted=ttl.grant(ttl_s, default_s=min(its_role.default_ttl_s, cap_s), max_s=cap_s),
        )
        made = self._make(order, self._intent(order, mount, operation))
        return await self._background.finish(made, unwanted=self._nobody_waits)

    async def _make(self, order: "_Order", intent: Lease) -> IssuedLease:
        limits = Limits(
            role=order.role.max_leases,
            mount=self._access.generation().bundle.mount_limits.get(intent.mount),
        )
        told = Event.new(
            EventType.INTENDED,
            intent.issued_ms,
            intent,
            caller=order.caller,
            rule=order.decision.rule,
        )
        hit("issue.before-intent")
        async with self._remover.claims.of(intent.id):
            await self._store.write(
                Change(old=None, new=intent, events=(told,), limits=limits, recipe=order.recipe)
            )
            hit("issue.intended")
            try:
                issued = await order.engine.issue(
                    IssueRequest(
                        account=account_of(intent, order.recipe),
                        expires_at=target_expiry(self.clock, intent.expires_ms),
                        password_policy=order.role.password_policy,
                        comment=f"leasehold {intent.id} for {intent.identity}",
                    )
                )
                hit("issue.created")
                lease = lifecycle.activate(intent, issued.handle)
                told = Event.new(EventType.ISSUED, self.clock.now_ms(), lease, caller=order.caller)
                await self._store.write(Change(old=intent, new=lease, events=(told,)))
                hit("issue.activated")
            except BaseException as error:
                await self._abandon(intent, error)
                raise
        return IssuedLease(
            lease=lease,
            credential=Credential(fields=issued.credential),
            ttl_s=order.granted.ttl_s,
            renewable=order.engine.renewable,
            warnings=order.granted.warnings,
        )

    async def undelivered(self, lease: Lease) -> None:
        """Revoke `lease`, whose credential could not be handed over (rule W8)."""
        await self._background.finish(self._ending.end(lease.id, Cause.UNDELIVERED))

    async def renew(self, caller: Caller, lease_id: str, increment_s: int | None) -> RenewedLease:
        """Move the deadline of the caller's own lease to `increment_s` seconds from now.

        Raises NotFound, Denied, Invalid (over, or past its maximum), EngineError, Unavailable.
        """
        lease = await self._access.own_lease(caller, lease_id)
        decision = await self._access.require(caller, lease.path, "renew")
        _, role = self._access.role(lease.mount, lease.role)
        async with self._remover.claims.of(lease_id):
            for _ in range(RENEW_TRIES):
                lease = await self._access.own_lease(caller, lease_id)
                try:
                    return await self._renew(caller, lease, role, decision, increment_s)
                except Conflict:
                    continue
        raise Unavailable(f"lease {lease_id} is being changed by others; try again")

    async def _renew(
        self, caller: Caller, lease: Lease, role: Role, decision: Allowed, increment_s: int | None
    ) -> RenewedLease:
        now_ms = self.clock.now_ms()
        if lease.state is not LeaseState.ACTIVE or now_ms >= lease.expires_ms:
            raise Invalid(f"lease {lease.id} is over, it cannot be renewed; ask for a new one")
        engine, account = await self._remover.place(lease)
        if not engine.renewable:
            raise Invalid("lease is not renewable")
        cap_s = longest_s(role, decision)
        granted = ttl.extend(
            increment_s,
            default_s=min(role.default_ttl_s, cap_s),
            max_s=cap_s,
            elapsed_s=(now_ms - lease.issued_ms) // 1000,
            left_s=(lease.max_expires_ms - now_ms) // 1000,
        )
        expires_ms = now_ms + granted.ttl_s * 1000
        hit("renew.before-target")
        await engine.renew(account, target_expiry(self.clock, expires_ms))
        hit("renew.moved")
        renewed = lifecycle.renew(lease, now_ms, expires_ms)
        told = Event.new(EventType.RENEWED, now_ms, renewed, caller=caller, rule=decision.rule)
        await self._store.write(Change(old=lease, new=renewed, events=(told,)))
        hit("renew.written")
        return RenewedLease(renewed, granted.ttl_s, True, granted.warnings)

    async def revoke(self, caller: Caller, lease_id: str, *, wait: bool = True) -> bool:
        """End a lease now. True when access has ended, False when that is queued.

        A holder may always give up its own lease; others need the verb `revoke-any`. Raises
        NotFound, Unavailable.
        """
        lease = await self._access.visible_lease(caller, lease_id, "revoke-any")
        cause = Cause.HOLDER if self._access.owns(caller, lease) else Cause.OPERATOR
        return await self._background.finish(self._ending.end(lease_id, cause, caller, wait=wait))

    async def _abandon(self, intent: Lease, error: BaseException) -> None:
        """Revoke what an issue that failed may have made; its own trouble is only logged."""
        proven = isinstance(error, EngineError) and not error.outcome_unknown
        why = error.reason if isinstance(error, EngineError) else type(error).__name__
        try:
            lease = await self._store.get(intent.id)
            if lease is None or lease.state not in (LeaseState.PENDING, LeaseState.ACTIVE):
                return
            lease = await self._ending.send_to_revoking(
                lease,
                EventType.ISSUE_FAILED,
                Cause.ISSUE_FAILED,
                unproven=not proven,
                why=why,
            )
            hit("issue.abandoned")
            await self._remover.remove([lease])
        except LeaseholdError as trouble:
            logger.warning("the expiry worker will revoke lease %s: %s", intent.id, trouble)

    async def _nobody_waits(self, issued: IssuedLease) -> None:
        await self._ending.end(issued.lease.id, Cause.UNDELIVERED)

    def _intent(self, order: "_Order", mount: str, operation: str) -> Lease:
        identity = order.decision.identity
        now_ms = self.clock.now_ms()
        lease_id = new_lease_id(order.path)
        issued_s = int(self.clock.wall(now_ms).timestamp())
        return Lease(
            id=lease_id,
            state=LeaseState.PENDING,
            mount=mount,
            operation=operation,
            role=order.role.name,
            engine=order.recipe.engine,
            engine_type=order.recipe.engine_type,
            identity=identity.name,
            owner=identity.owner,
            tenant=identity.tenant,
            account=self._names.account(lease_id, order.role.username_template, issued_s=issued_s),
            target=order.engine.target_id,
            recipe_id=order.recipe.id,
            generation=self._access.generation().number,
            issued_ms=now_ms,
            ttl_ms=order.granted.ttl_s * 1000,
            expires_ms=now_ms + order.granted.ttl_s * 1000,
            max_expires_ms=now_ms + longest_s(order.role, order.decision) * 1000,
            next_ms=now_ms + PENDING_MS,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A request to issue that was decided, before anything was done."""

    caller: Caller
    path: str
    decision: Allowed
    role: Role
    recipe: Recipe
    engine: GuardedEngine
    granted: ttl.Granted
