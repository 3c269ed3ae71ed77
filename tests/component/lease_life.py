"""All that may happen in the life of leases: what callers do, and what befalls the daemon."""

import asyncio
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, rule

from component.life_model import LifeModel
from fakes.engine import Fault
from fakes.policy import HOLDER, OPERATOR, ROLES, STRANGER
from leasehold.errors import Conflict, EngineTemporary, LeaseholdError, NotFound
from leasehold.issuance import IssuedLease
from leasehold.model import LeaseState
from leasehold.plugin import Removal, Stage
from leasehold.reconcile.revocations import Revocations

PATHS = ("database/creds/reader", "database/creds/brief", "cache/creds/user")
paths = st.sampled_from(PATHS)
prefixes = st.sampled_from(["database/", "database/creds/brief", "cache/creds/user/"])
hosts = st.sampled_from(["one", "two"])
ttls = st.none() | st.integers(1, 100_000)
issue_faults = st.none() | st.sampled_from([fault for fault in Fault if fault is not Fault.LIE])
work_faults = st.none() | st.sampled_from(
    [Fault.BEFORE, Fault.AFTER, Fault.REFUSED, Fault.HANG, Fault.HANG_AFTER, Fault.DEFECT]
)
steps = st.integers(0, 12)
spans_s = st.sampled_from([1, 3, 10, 31, 47, 61, 240, 301, 3_000, 90_000])


class LeaseLife(LifeModel):
    """Random histories, each compared with the model whenever it comes to rest."""

    held = Bundle("held")

    # What callers do.

    @rule(target=held, path=paths, ttl_s=ttls, fault=issue_faults)
    def issue(self, path: str, ttl_s: int | None, fault: Fault | None) -> Any:
        well = fault is None and self.is_well(path)
        self.fail("issue", fault)
        result = self.attempt(self.world.issue(path, ttl_s=ttl_s))
        assert isinstance(result, IssuedLease) or not well
        return self.deliver(result, HOLDER)

    @rule(target=held, path=paths, after=steps)
    def issue_and_hang_up(self, path: str, after: int) -> Any:
        async def hang_up() -> Any:
            task = asyncio.create_task(self.world.issue(path, caller=STRANGER))
            self.world.fate.after(after, task.cancel)
            try:
                return await task
            except asyncio.CancelledError:
                return None

        return self.deliver(self.attempt(hang_up()), STRANGER)

    @rule(lease_id=held, increment_s=ttls, fault=work_faults)
    def renew(self, lease_id: str, increment_s: int | None, fault: Fault | None) -> None:
        known, now_ms = self.known[lease_id], self.clock.now_ms()
        lives = not known.ended and now_ms < known.deadline_ms and now_ms + 1_000 <= known.max_ms
        well = lives and fault is None and self.is_well(lease_id)
        self.fail("renew", fault)
        result = self.attempt(self.world.issuance.renew(known.holder, lease_id, increment_s))
        assert not isinstance(result, LeaseholdError) or not well
        self.renewed(lease_id, result)

    @rule(lease_id=held, fault=work_faults, by_operator=st.booleans(), wait=st.booleans())
    def revoke(self, lease_id: str, fault: Fault | None, by_operator: bool, wait: bool) -> None:
        known = self.known[lease_id]
        caller = OPERATOR if by_operator else known.holder
        self.fail("revoke", fault)
        result = self.attempt(self.world.issuance.revoke(caller, lease_id, wait=wait))
        assert not isinstance(result, LeaseholdError)
        known.ended = True

    @rule(prefix=prefixes, begun=st.booleans(), after=steps | st.none())
    def revoke_below(self, prefix: str, begun: bool, after: int | None) -> None:
        """An order binds what was issued before it, also when it dies with the daemon."""
        revocations = Revocations(
            self.world.access,
            self.world.store,
            self.clock,
            self.world.book,
            self.world.background,
        )
        work = revocations.order(OPERATOR, prefix, force=False)
        self.attempt(work if after is None else self.dying(work, after))
        for order in self.do(self.world.book.standing()):
            for lease_id, known in self.known.items():
                if lease_id.startswith(order.prefix):
                    known.ended |= order.covers(self.do(self.world.lease(lease_id)))
        self.clock.advance(ms=1)  # what is issued in the very same instant is hit too
        if begun:
            self.do(self.world.enforcer.carry_out())

    @rule(lease_id=held)
    def meddle(self, lease_id: str) -> None:
        """Somebody else tries; to them the lease does not exist."""
        other = HOLDER if self.known[lease_id].holder is STRANGER else STRANGER
        issuance, inspection = self.world.issuance, self.world.inspection
        assert isinstance(self.attempt(issuance.renew(other, lease_id, 60)), NotFound)
        assert isinstance(self.attempt(issuance.revoke(other, lease_id)), NotFound)
        assert isinstance(self.attempt(inspection.lookup(other, lease_id)), NotFound)

    @rule(lease_id=held, path=paths, fault=work_faults)
    def everybody_at_once(self, lease_id: str, path: str, fault: Fault | None) -> None:
        known, issuance = self.known[lease_id], self.world.issuance
        self.fail("revoke", fault)

        async def storm() -> list[Any]:
            return await asyncio.gather(
                issuance.renew(known.holder, lease_id, 120),
                issuance.revoke(OPERATOR, lease_id),
                issuance.revoke(known.holder, lease_id),
                self.world.sweep(),
                self.world.issue(path),
                return_exceptions=True,
            )

        renewal, *_, issued = results = self.attempt(storm())
        allowed = LeaseholdError | Conflict
        assert all(isinstance(r, allowed) for r in results if isinstance(r, BaseException))
        self.renewed(lease_id, renewal)
        self.deliver(issued, HOLDER)
        known.ended = True

    # What befalls the daemon and its targets.

    @rule(s=spans_s)
    def time_passes(self, s: int) -> None:
        self.clock.advance(s=s)
        self.attempt(self.world.sweep())

    @rule(host=hosts)
    def target_away(self, host: str) -> None:
        self.world.targets[host].away = True

    @rule(host=hosts)
    def target_back(self, host: str) -> None:
        self.world.targets[host].away = False

    @rule()
    def crash(self) -> None:
        self.do(self.die())

    @rule(path=paths, after=steps, fault=issue_faults)
    def crash_during_issue(self, path: str, after: int, fault: Fault | None) -> None:
        self.fail("issue", fault)
        issued = self.attempt(self.dying(self.world.issue(path), after))
        self.deliver(issued, HOLDER)

    @rule(lease_id=held, after=steps)
    def crash_during_renew(self, lease_id: str, after: int) -> None:
        holder = self.known[lease_id].holder
        self.attempt(self.dying(self.world.issuance.renew(holder, lease_id, 600), after))
        # The caller may have missed the answer; what the ledger says holds.
        known, lease = self.known[lease_id], self.do(self.world.lease(lease_id))
        if lease.state is LeaseState.ACTIVE:
            known.deadline_ms = lease.expires_ms

    @rule(lease_id=held, after=steps)
    def crash_during_revoke(self, lease_id: str, after: int) -> None:
        self.attempt(self.dying(self.world.issuance.revoke(OPERATOR, lease_id), after))
        if self.do(self.world.lease(lease_id)).state is not LeaseState.ACTIVE:
            self.known[lease_id].ended = True

    @rule(after=steps, s=spans_s)
    def crash_during_a_sweep(self, after: int, s: int) -> None:
        self.clock.advance(s=s)
        self.attempt(self.dying(self.world.sweep(), after))

    @rule(pick=steps)
    def resurrect(self, pick: int) -> None:
        """A create arrives late, or a backup comes back: an account on its way out stands again."""
        self.do(self.world.finish_what_is_under_way())
        leases = [
            lease
            for lease in self.do(self.world.leases())
            if lease.state in (LeaseState.REVOKING, LeaseState.DISABLED)
        ]
        if leases:
            lease = leases[pick % len(leases)]
            self.target_of(lease.path).make(lease.account, self.clock.wall(lease.expires_ms))

    @rule(lease_id=held)
    def account_is_dropped_by_hand(self, lease_id: str) -> None:
        """Its lease lives on, and ends as any other."""
        account = self.do(self.world.lease(lease_id)).account
        self.target_of(lease_id).drop(account)
        self.dropped.add(account)

    @rule(path=paths)
    def the_wall_clock_steps(self, path: str) -> None:
        """Nothing is issued until it has settled; all else goes on."""
        self.clock.suspect = True
        assert isinstance(self.attempt(self.world.issue(path)), LeaseholdError)

    @rule()
    def the_wall_clock_settles(self) -> None:
        self.clock.suspect = False

    @rule(lease_id=held, stays=st.booleans())
    def account_cannot_go(self, lease_id: str, stays: bool) -> None:
        account = self.do(self.world.lease(lease_id)).account
        answer = (
            Removal(stage=Stage.DISABLED, residue="objects depend on it (2BP01)")
            if stays
            else EngineTemporary("a lock is held (55P03)")
        )
        for target in self.world.targets.values():
            target.stubborn[account] = answer

    @rule(path=st.none() | paths)
    def policy_changes(self, path: str | None) -> None:
        """A role leaves the policy, or all are there again."""
        mount, _, role = (path or "//").split("/")
        kept = {place: its for place, its in ROLES.items() if place != (mount, role)}
        self.world.serve(replace(self.world.generation.bundle, roles=kept))

    @rule()
    def settle(self) -> None:
        self.let_settle()
