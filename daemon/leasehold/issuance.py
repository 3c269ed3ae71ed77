"""The verbs of a lease: issue, renew, revoke. Each reads from top to bottom.

Order is everything here. Issue: decide, make the account, intent first, answer. Renew: the target
first, the ledger second, so that a crash between them errs to the earlier date (W14). Revoke: the
ledger first, the target second, so that a crash between them is caught up.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from leasehold.access import OWN, Access
from leasehold.admission.admission import Admission
from leasehold.background import Background
from leasehold.bundle import EngineConfig, Role
from leasehold.clock import Clock
from leasehold.conditions import labels_of
from leasehold.creation import Order
from leasehold.ending import Ending, target_expiry
from leasehold.engines.registry import Engines
from leasehold.errors import Conflict, Frozen, Invalid, LimitReached, Unavailable
from leasehold.failpoints import reach
from leasehold.holding import Holding
from leasehold.leases import lifecycle, ttl
from leasehold.leases.freeze import Freeze
from leasehold.leases.matching import facts_of
from leasehold.leases.store import Change, LeaseStore
from leasehold.model import Caller, Cause, Credential, Event, EventType, Lease, LeaseState, Recipe
from leasehold.policy.decide import Allowed, longest_s
from leasehold.removal import Remover
from leasehold.sharing import IssuedLease as IssuedLease
from leasehold.sharing import Sharing
from leasehold.warm import Warm

RENEW_TRIES = 3


@dataclass(frozen=True, slots=True)
class RenewedLease:
    """A lease with its new deadline, `ttl_s` seconds from now."""

    lease: Lease
    ttl_s: int
    renewable: bool
    warnings: tuple[str, ...] = ()


class Issuance:
    """Carries out the verbs. `recipe_of` freezes what revoking an account of a role will need.

    `ends` says whether a standing order has a lease end.
    """

    def __init__(
        self,
        *,
        access: Access,
        admission: Admission,
        store: LeaseStore,
        engines: Engines,
        clock: Clock,
        remover: Remover,
        warm: Warm,
        holding: Holding,
        ending: Ending,
        freeze: Freeze,
        ends: Callable[[Lease], bool],
        recipe_of: Callable[[EngineConfig, Role], Recipe],
        background: Background,
    ) -> None:
        self.clock = clock
        self._access = access
        self._admission = admission
        self._store = store
        self._engines = engines
        self._remover = remover
        self._warm = warm
        self._holding = holding
        self._sharing = Sharing(store, clock, remover.claims, ending, background, freeze, ends)
        self._ending = ending
        self._freeze = freeze
        self._ends = ends
        self._recipe_of = recipe_of
        self._background = background

    async def issue(
        self,
        caller: Caller,
        mount: str,
        operation: str,
        role: str,
        *,
        ttl_s: int | None = None,
        given: Callable[[Iterable[str]], Mapping[str, str]] = lambda _: {},
        alone: bool = False,
        replaces: Lease | None = None,
    ) -> IssuedLease:
        """Make an account, and a lease of `ttl_s` seconds (capped with a warning) for it.

        Where the role shares, and the request is not to be `alone` with its lease, it may be one
        that the caller was given just before. `given` reads the fields that the policy asks for,
        by their names. Raises Denied, Invalid (unknown role, a field that does not fit), Frozen,
        LimitReached, Unavailable, and EngineError: then nothing is left behind, or what may be
        left is queued for revocation.
        """
        path = f"{mount}/{operation}/{role}"
        labels = labels_of(given(self._access.fields(path)))
        decision = await self._access.require(caller, path, "issue", labels)
        grounds = self._access.grounds(caller, path, "issue", decision.rule)
        async with self._access.telling(caller, grounds):
            order, warnings = await self._order(caller, path, decision, grounds, ttl_s, labels)
            order = replace(order, alone=alone).instead_of(replaces)
        async with (
            self._access.telling(caller, grounds, LimitReached, Frozen),
            self._admission.telling(caller),
        ):
            return await self._sharing.of(order, partial(self._admit, caller, order, warnings))

    async def _order(
        self,
        caller: Caller,
        path: str,
        decision: Allowed,
        grounds: Mapping[str, str],
        ttl_s: int | None,
        labels: Mapping[str, str],
    ) -> tuple[Order, tuple[str, ...]]:
        """What to make for the caller, and what it should know of it."""
        mount, operation, role = path.split("/")
        config, its_role = self._access.role(mount, role)
        who = decision.identity
        self._freeze.check(
            {
                "tenant": who.tenant,
                "owner": who.owner,
                "identity": who.name,
                "engine": config.name,
                "role": path,
            }
        )
        engine = self._engines.current(config.name)
        if operation not in engine.operations:
            offers = ", ".join(sorted(engine.operations))
            raise Invalid(f"{mount} offers {offers}, not {operation}")
        if self.clock.suspect:
            raise Unavailable("the wall clock stepped; nothing is issued until it has settled")
        # All of one generation: another one may be served while the target is waited for.
        generation, recipe = self._access.generation(), self._recipe_of(config, its_role)
        await engine.ready()
        cap_s = longest_s(its_role, decision)
        granted = ttl.grant(ttl_s, default_s=min(its_role.default_ttl_s, cap_s), max_s=cap_s)
        order = Order(
            mount=mount,
            operation=operation,
            role=its_role,
            recipe=recipe,
            engine=engine,
            identity=who.name,
            owner=who.owner,
            tenant=who.tenant,
            ttl_s=granted.ttl_s,
            max_ttl_s=cap_s,
            generation=generation.number,
            limits=self._admission.limits(config, its_role, decision.identity),
            caller=caller,
            grounds=grounds,
            holder=self._holding.holder_of(its_role.bind, caller),
            labels=labels,
        )
        return order, granted.warnings

    async def _admit(self, caller: Caller, order: Order, warnings: tuple[str, ...]) -> IssuedLease:
        self._admission.admit(order.identity, order.recipe.engine, order.role.name)
        made = self._make(caller, order, warnings)
        return await self._background.finish(
            made, unwanted=partial(self._sharing.undelivered, caller)
        )

    async def _make(self, caller: Caller, order: Order, warnings: tuple[str, ...]) -> IssuedLease:
        with self._holding.bound(order.holder, caller.line):
            made = await self._warm.make(order, self._check_freeze)
        return IssuedLease(
            lease=made.lease,
            credential=Credential(fields=made.issued.credential),
            ttl_s=order.ttl_s,
            renewable=order.engine.renewable,
            warnings=warnings,
            ready_ms=made.ready_ms,
            succession=order.role.succession,
        )

    def _check_freeze(self, lease: Lease) -> None:
        self._freeze.check(facts_of(lease))

    def forget(self) -> None:
        """Drop the credentials that are kept to be shared."""
        self._sharing.forget()

    async def delivered(self, caller: Caller, issued: IssuedLease) -> None:
        """Audit that the credential was handed over; nobody waits for that."""
        issued.delivered()
        told = Event.new(EventType.DELIVERED, self.clock.now_ms(), issued.lease, caller=caller)
        self._store.record_soon(told)

    async def undelivered(self, caller: Caller, issued: IssuedLease) -> None:
        """Revoke the lease whose credential could not be handed over to anybody (rule W8)."""
        await self._background.finish(self._sharing.undelivered(caller, issued))

    async def renew(self, caller: Caller, lease_id: str, increment_s: int | None) -> RenewedLease:
        """Move the deadline of the caller's own lease to `increment_s` seconds from now.

        Raises NotFound, Denied, Frozen, Invalid (over, or past its maximum), EngineError,
        Unavailable.
        """
        lease = await self._access.own_lease(caller, lease_id, "renew")
        decision = await self._access.require(caller, lease.path, "renew")
        grounds = self._access.grounds(caller, lease.path, "renew", decision.rule)
        async with self._access.telling(caller, grounds, lease=lease):
            _, role = self._access.role(lease.mount, lease.role)
            cap_s = longest_s(role, decision)
            async with self._remover.claims.of(lease_id):
                for _ in range(RENEW_TRIES):
                    try:
                        return await self._renew(
                            caller, lease_id, role, cap_s, grounds, increment_s
                        )
                    except Conflict:
                        continue
            raise Unavailable(f"lease {lease_id} is being changed by others; try again")

    async def _renew(
        self,
        caller: Caller,
        lease_id: str,
        role: Role,
        cap_s: int,
        grounds: Mapping[str, str],
        increment_s: int | None,
    ) -> RenewedLease:
        lease = await self._access.own_lease(caller, lease_id, "renew")
        now_ms = self.clock.now_ms()
        if lease.state is not LeaseState.ACTIVE or now_ms >= lease.expires_ms or lease.replaced_by:
            raise _over(lease)
        engine, account = await self._remover.place(lease)
        if not engine.renewable:
            raise Invalid("lease is not renewable")
        granted = ttl.extend(
            increment_s,
            default_s=min(role.default_ttl_s, cap_s),
            max_s=cap_s,
            elapsed_s=(now_ms - lease.issued_ms) // 1000,
            left_s=(lease.max_expires_ms - now_ms) // 1000,
        )
        expires_ms = now_ms + granted.ttl_s * 1000
        self._check_freeze(lease)
        if self._ends(lease):
            raise _over(lease)
        await reach("renew.before-target")
        await engine.renew(account, target_expiry(self.clock, expires_ms))
        await reach("renew.moved")
        renewed = lifecycle.renew(lease, now_ms, expires_ms)
        told = Event.new(
            EventType.RENEWED,
            now_ms,
            renewed,
            caller=caller,
            **grounds,
            target=lease.target,
            outcome="moved",
            ms=str(self.clock.now_ms() - now_ms),
        )
        await self._store.write(Change(old=lease, new=renewed, events=(told,)))
        await reach("renew.written")
        return RenewedLease(renewed, granted.ttl_s, True, granted.warnings)

    async def revoke(self, caller: Caller, lease_id: str, *, wait: bool = True) -> bool:
        """End a lease now. True when access has ended, False when that is queued.

        A holder may always give up its own lease; others need the verb `revoke-any`. Raises
        NotFound, Unavailable.
        """
        lease = await self._access.visible_lease(caller, lease_id, "revoke-any")
        if self._access.owns(caller, lease):
            cause, verb, rule = Cause.HOLDER, "revoke", OWN
        else:
            cause, verb = Cause.OPERATOR, "revoke-any"
            rule = self._access.decide(caller, lease.path, verb).rule
        grounds = self._access.grounds(caller, lease.path, verb, rule)
        ended = self._ending.end(lease_id, cause, caller, grounds, wait=wait)
        return await self._background.finish(ended)

    async def replaced(self, caller: Caller, lease_id: str) -> None:
        """Revoke the caller's lease, which another one has replaced, whether it waits or not."""
        await self._background.finish(self.revoke(caller, lease_id))


def _over(lease: Lease) -> Invalid:
    why = f"was replaced by {lease.replaced_by}" if lease.replaced_by else "is over"
    return Invalid(f"lease {lease.id} {why}, it cannot be renewed; ask for a new one")
