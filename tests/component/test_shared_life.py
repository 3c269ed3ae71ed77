"""As a machine: two holders ask, hang up, renew and revoke, and the daemon dies now and then.

Whatever they do, a credential is one holder's alone, and one that is given again is that of a lease
which lives.
"""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, rule

from component.life_model import LifeModel
from component.test_lease_life import COURSE, EXAMPLES
from component.test_sharing import AGAIN
from fakes.clock import FakeClock
from fakes.engine import Fault
from fakes.policy import HOLDER, IDENTITIES, OPERATOR, STRANGER, a_bundle
from fakes.sharing import PATH, SHARED, WITHIN_S, SharingWorld
from leasehold.bundle import UnixMatch
from leasehold.errors import LeaseholdError
from leasehold.issuance import IssuedLease
from leasehold.model import Caller, LeaseState

TWIN = replace(HOLDER, uid=1003)
"""Another user who is the same identity."""
callers = st.sampled_from([HOLDER, AGAIN, TWIN, STRANGER])
paths = st.sampled_from([PATH, "database/creds/brief"])


class TwinsWorld(SharingWorld):
    """One identity is two users."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        both = replace(IDENTITIES["holder"], match=(UnixMatch(uid=1000), UnixMatch(uid=1003)))
        identities = {**IDENTITIES, "holder": both}
        super().__init__(folder, clock, a_bundle(roles=SHARED, identities=identities))


class SharedLife(LifeModel):
    """Two holders ask, hang up, renew and revoke, and the daemon dies now and then."""

    world_class = TwinsWorld
    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[tuple[int, str], list[IssuedLease]] = {}
        self.of: dict[str, int] = {}
        self.not_again: set[str] = set()

    def keep(self, caller: Caller, path: str, result: Any) -> None:
        """Whoever gets a lease that was given before is its holder, and it lives."""
        if not isinstance(result, IssuedLease):
            return
        lease = self.do(self.world.lease(result.lease.id))
        assert self.of.setdefault(lease.id, caller.uid) == caller.uid
        assert lease.state is LeaseState.ACTIVE
        now_ms = self.clock.now_ms()
        assert 0 < result.ttl_s * 1000 <= lease.expires_ms - now_ms
        assert result.credential.fields["username"] == lease.account
        assert lease.account in self.target_of(path).accounts
        before = self.asked.setdefault((caller.uid, path), [])
        if any(each.lease.id == lease.id for each in before):
            assert lease.id not in self.not_again
            assert now_ms < lease.issued_ms + WITHIN_S * 1000
            assert now_ms < lease.issued_ms + lease.ttl_ms / 2
        before.append(result)

    def due_again(self, caller: Caller, path: str) -> str | None:
        """The lease that must be given again."""
        now_ms = self.clock.now_ms()
        for each in self.asked.get((caller.uid, path), []):
            lease = each.lease
            known = self.known.get(lease.id)
            young = now_ms < lease.issued_ms + min(WITHIN_S * 1000, lease.ttl_ms / 2)
            if known and young and not known.ended and lease.id not in self.not_again:
                return lease.id
        return None

    @rule(target=held, caller=callers, path=paths, arrives=st.booleans())
    def ask(self, caller: Caller, path: str, arrives: bool) -> Any:
        due = self.due_again(caller, path)
        result = self.attempt(self.world.issue(path, caller=caller))
        self.keep(caller, path, result)
        if isinstance(result, LeaseholdError):
            assert due is None
            return self.deliver(result, caller)
        assert due in (None, result.lease.id)
        if arrives:
            self.do(self.world.issuance.delivered(caller, result))
            return self.deliver(result, caller)
        self.do(self.world.issuance.undelivered(caller, result))
        return self.deliver(None, caller)

    @rule(target=held, caller=callers, path=paths, after=st.integers(0, 12))
    def ask_twice_and_hang_up_once(self, caller: Caller, path: str, after: int) -> Any:
        async def both() -> Any:
            lost = asyncio.create_task(self.world.issue(path, caller=caller))
            self.world.fate.after(after, lambda: self.loop.call_soon(lost.cancel))
            got = asyncio.create_task(self.world.issue(path, caller=caller))
            first, second = await asyncio.gather(lost, got, return_exceptions=True)
            if isinstance(first, IssuedLease):
                await self.world.issuance.undelivered(caller, first)
            if isinstance(second, IssuedLease):
                await self.world.issuance.delivered(caller, second)
                return second
            return None

        result = self.attempt(both())
        self.keep(caller, path, result)
        return self.deliver(result, caller)

    @rule(lease_id=held)
    def renew(self, lease_id: str) -> None:
        self.renewed(
            lease_id,
            self.attempt(self.world.issuance.renew(self.known[lease_id].holder, lease_id, 40)),
        )
        if self.do(self.world.lease(lease_id)).renewed_ms is not None:
            self.not_again.add(lease_id)

    @rule(lease_id=held, by_operator=st.booleans(), fault=st.sampled_from([None, Fault.BEFORE]))
    def revoke(self, lease_id: str, by_operator: bool, fault: Fault | None) -> None:
        known = self.known[lease_id]
        self.fail("revoke", fault)
        caller = OPERATOR if by_operator else known.holder
        self.attempt(self.world.issuance.revoke(caller, lease_id))
        known.ended = True
        self.not_again.add(lease_id)

    @rule(s=st.sampled_from([1, 9, 14, 21, 40, 3_000]))
    def time_passes(self, s: int) -> None:
        self.clock.advance(s=s)
        self.attempt(self.world.sweep())

    @rule()
    def crash(self) -> None:
        self.do(self.die())
        self.not_again |= self.known.keys() | self.of.keys()

    @rule()
    def another_policy(self) -> None:
        self.world.serve(self.world.generation.bundle)
        self.not_again |= self.known.keys() | self.of.keys()

    @rule()
    def settle(self) -> None:
        self.let_settle()


TestSharedLife = SharedLife.TestCase
TestSharedLife.settings = COURSE
TestSharedLife.pytestmark = pytest.mark.timeout(max(600, 60 * EXAMPLES))
