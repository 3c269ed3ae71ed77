"""Random histories of tokens, each compared with a model that knows no store and no sweep."""

import asyncio
import random
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from fakes.clock import FakeClock, VirtualLoop
from fakes.policy import HOLDER, NOBODY_KNOWN, a_bundle
from fakes.world import World
from leasehold.bundle import TokenLimits
from leasehold.errors import Denied, Invalid, LeaseholdError
from leasehold.model import Caller, Cause, LeaseState
from leasehold.secret import Secret
from leasehold.tokens.tokens import IssuedToken, Wish

LIMITS = TokenLimits(default_ttl_s=600, max_ttl_s=3_600)
ENDED = (LeaseState.REVOKING, LeaseState.DISABLED, LeaseState.REVOKED)
ttls = st.none() | st.integers(1, 5_000)
spans_s = st.sampled_from([1, 30, 299, 601, 1_800, 3_700])


@dataclass
class Known:
    """What the model knows of a token; `until_ms` is its end."""

    text: Secret
    until_ms: int
    max_ms: int
    uses: int | None
    parent: str = ""
    ended: bool = False
    leases: dict[str, int] = field(default_factory=dict)


class TokenLife(RuleBasedStateMachine):
    """Subclasses may plant a bug by `world_class`."""

    world_class: type[World] = World
    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.dice = [
            patch("secrets.token_bytes", random.randbytes),
            patch("secrets.randbelow", random.randrange),
        ]
        for each in self.dice:
            each.start()
        self.folder = Path(tempfile.mkdtemp(prefix="tokens"))
        self.clock = FakeClock()
        self.loop = VirtualLoop(self.clock)
        self.world = self.world_class(self.folder, self.clock, a_bundle(tokens=LIMITS))
        self.known: dict[str, Known] = {}
        self.do(self.world.start())

    def teardown(self) -> None:
        try:
            self.rest()
        finally:
            try:
                self.do(self.world.crash())
            finally:
                self.loop.close()
                for each in self.dice:
                    each.stop()
                shutil.rmtree(self.folder)

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def attempt(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self.do(work)
        except LeaseholdError as error:
            return error

    # What the model says.

    def line(self, accessor: str) -> list[Known]:
        token = self.known[accessor]
        return [token, *(self.line(token.parent) if token.parent else [])]

    def stands(self, accessor: str) -> bool:
        return all(not it.ended and self.clock.now_ms() < it.until_ms for it in self.line(accessor))

    def usable(self, accessor: str) -> bool:
        return self.stands(accessor) and self.known[accessor].uses != 0

    def learn(self, made: Any, parent: str = "") -> Any:
        if not isinstance(made, IssuedToken):
            return multiple()
        token = made.token
        self.known[token.accessor] = Known(
            made.text, token.expires_ms, token.max_expires_ms, token.uses, parent
        )
        span_ms = token.max_expires_ms - token.issued_ms
        assert token.expires_ms <= token.max_expires_ms
        assert span_ms <= LIMITS.max_ttl_s * 1000
        return token.accessor

    def speak(self, accessor: str) -> Caller | Denied:
        """Use a token, which works exactly when the model says so."""
        token, usable = self.known[accessor], self.usable(accessor)
        caller = self.attempt(self.world.speak(token.text))
        assert isinstance(caller, Caller) == usable, caller
        if usable:
            assert (caller.uid, caller.token) == (HOLDER.uid, accessor)
            token.uses = None if token.uses is None else token.uses - 1
        return caller

    # What happens.

    @rule(target=tokens, ttl_s=ttls, max_ttl_s=ttls, uses=st.none() | st.integers(1, 3))
    def login(self, ttl_s: int | None, max_ttl_s: int | None, uses: int | None) -> Any:
        wish = {"ttl_s": ttl_s, "max_ttl_s": max_ttl_s, "uses": uses}
        return self.learn(self.do(self.world.login(**wish)))

    @rule(target=tokens, parent=tokens, ttl_s=ttls)
    def create(self, parent: str, ttl_s: int | None) -> Any:
        caller = self.speak(parent)
        if not isinstance(caller, Caller):
            return multiple()
        above = self.do(self.world.tokens.find_by_accessor(parent))
        work = self.world.tokens.issue(
            caller, HOLDER, "auth/token/create", Wish(ttl_s=ttl_s), above
        )
        made = self.attempt(work)
        if isinstance(made, IssuedToken):
            assert made.token.max_expires_ms <= self.known[parent].until_ms
        else:
            assert isinstance(made, Invalid)
            assert self.known[parent].until_ms - self.clock.now_ms() < 1_000
        return self.learn(made, parent)

    @rule(accessor=tokens)
    def use(self, accessor: str) -> None:
        self.speak(accessor)

    @rule(accessor=tokens)
    def issue(self, accessor: str) -> None:
        caller = self.speak(accessor)
        if isinstance(caller, Caller):
            lease = self.do(self.world.issue(caller=caller)).lease
            self.known[accessor].leases[lease.id] = lease.expires_ms

    @rule(accessor=tokens, increment_s=ttls)
    def renew(self, accessor: str, increment_s: int | None) -> None:
        token, now_ms = self.known[accessor], self.clock.now_ms()
        possible = self.stands(accessor) and token.max_ms - now_ms >= 1_000
        done = self.attempt(self.world.tokens.renew(HOLDER, accessor, increment_s))
        assert isinstance(done, Invalid) != possible
        if possible:
            token.until_ms = done[0].expires_ms
            assert now_ms < token.until_ms <= token.max_ms

    @rule(accessor=consumes(tokens), spare=st.booleans())
    def revoke(self, accessor: str, spare: bool) -> None:
        stood = self.stands(accessor)
        work = self.world.tokens.end(accessor, Cause.HOLDER, HOLDER, spare_children=spare)
        self.do(work)
        if spare and stood:
            for child in self.known.values():
                child.parent = "" if child.parent == accessor else child.parent
        self.known[accessor].ended = True

    @rule(span_s=spans_s)
    def wait(self, span_s: int) -> None:
        self.clock.advance(s=span_s)

    @rule()
    def sweep(self) -> None:
        self.do(self.world.token_sweep.sweep())

    @rule(after=st.integers(0, 12))
    def die_while_sweeping(self, after: int) -> None:
        self.do(self._die(after))

    async def _die(self, after: int) -> None:
        self.world.fate.after(after)
        work = asyncio.create_task(self.world.token_sweep.sweep())
        died = asyncio.create_task(self.world.fate.died.wait())
        await asyncio.wait({work, died}, return_when=asyncio.FIRST_COMPLETED)
        for each in (work, died):
            each.cancel()
        await asyncio.gather(work, died, return_exceptions=True)
        await self.world.crash()
        await self.world.start()

    @rule()
    def rest(self) -> None:
        """When all has come to rest, rows and leases are as the model says."""
        self.do(self.world.settle())
        now_ms = self.clock.now_ms()
        found = {it.accessor for it in self.do(self.world.tokens.page("", 100_000))}
        assert found == {accessor for accessor in self.known if self.stands(accessor)}
        for accessor, token in self.known.items():
            stands = self.stands(accessor)
            for lease_id, until_ms in token.leases.items():
                lease = self.do(self.world.lease(lease_id))
                assert (lease.state in ENDED) == (not stands or now_ms >= until_ms)
        self.do(self.world.assert_accounts_agree())

    @invariant()
    def whatever_stands_is_found_and_nothing_else_is(self) -> None:
        """Also between the end of a token and the sweep that ends those below it."""
        self.do(self._compare())

    async def _compare(self) -> None:
        for accessor, token in self.known.items():
            found = await self.world.tokens.find(token.text.reveal())
            assert (found is not None) == self.stands(accessor)

    @rule(text=st.text(max_size=30))
    def guess(self, text: str) -> None:
        """What is no token of ours means nothing here, and nothing good if it looks like one."""
        caller = self.attempt(self.world.speak(Secret(text)))
        assert caller is NOBODY_KNOWN
        assert isinstance(self.attempt(self.world.speak(Secret(f"lht_{text}"))), Denied)
