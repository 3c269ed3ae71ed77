"""Random histories of secret ids, each compared with a model that knows no store and no sweep."""

import asyncio
import random
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from fakes.clock import FakeClock, VirtualLoop
from fakes.policy import NOBODY_KNOWN, OPERATOR
from fakes.secret_ids import ROLES, AppRole
from fakes.world import World
from leasehold.model import Cause
from leasehold.plugin import LoginRefused
from leasehold.secret import Secret
from leasehold.tokens.secret_ids import SecretIdWish

USED = ("deploy", "other")
PLACES = [("ci", role) for role in ROLES]


@dataclass
class Known:
    """What the model knows of a secret id: at most `left` logins, at least `sure` of them."""

    text: Secret
    role: str
    until_ms: int
    left: float
    sure: float


class SecretIdLife(RuleBasedStateMachine):
    """Subclasses may plant a bug by `world_class`."""

    world_class: type[World] = World
    made = Bundle("made")

    def __init__(self) -> None:
        super().__init__()
        self.dice = patch("secrets.token_bytes", random.randbytes)
        self.dice.start()
        self.folder = Path(tempfile.mkdtemp(prefix="secretids"))
        self.clock = FakeClock()
        self.loop = VirtualLoop(self.clock)
        self.world = self.world_class(self.folder, self.clock)
        self.known: list[Known] = []
        self.up()

    def up(self) -> None:
        self.do(self.world.start())
        self.approle = AppRole(self.world)
        self.ids = {role: self.do(self.world.secret_ids.role_id(("ci", role))) for role in USED}

    def teardown(self) -> None:
        try:
            self.do(self.world.crash())
        finally:
            self.loop.close()
            self.dice.stop()
            shutil.rmtree(self.folder)

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    async def _login(self, known: Known, role: str) -> bool:
        redeem = self.world.secret_ids.redeem
        try:
            redeemed = await redeem(NOBODY_KNOWN, "ci", self.ids[role], known.text.reveal())
        except LoginRefused:
            return False
        assert redeemed.role == known.role == role
        return True

    # What happens.

    @rule(target=made, role=st.sampled_from(USED), ttl_s=st.sampled_from([60, 600]))
    def make(self, role: str, ttl_s: int) -> Known:
        wish = SecretIdWish(ttl_s=ttl_s)
        work = self.world.secret_ids.make(OPERATOR, ("ci", role), wish, {})
        text, kept = self.do(work)
        uses = float("inf") if kept.uses is None else kept.uses
        until_ms = self.clock.now_ms() + ttl_s * 1000
        known = Known(text, role, until_ms, uses, uses)
        self.known.append(known)
        return known

    @rule(known=made, times=st.sampled_from([1, 1, 5]), crash=st.booleans())
    def log_in(self, known: Known, times: int, crash: bool) -> None:
        """Several at once, perhaps after the daemon has died and come back."""
        if crash:
            self.crash()
        [other] = {*USED} - {known.role}
        assert not self.do(self._login(known, other))

        async def all_at_once() -> list[bool]:
            return await asyncio.gather(*(self._login(known, known.role) for _ in range(times)))

        got = sum(self.do(all_at_once()))
        good = self.clock.now_ms() < known.until_ms
        assert got <= (min(times, known.left) if good else 0)
        assert got >= (min(times, known.sure) if good else 0)
        known.left -= got
        known.sure = max(0, min(known.left, known.sure - got))
        if good and got < times:
            known.left = known.sure = 0

    @rule(known=made, with_its_role=st.booleans())
    def end(self, known: Known, with_its_role: bool) -> None:
        """By hand, or since its role leaves the policy for a while."""
        ids, place = self.world.secret_ids, ("ci", known.role)
        if with_its_role:
            self.do(ids.sweep([each for each in PLACES if each != place]))
            self.ids[known.role] = self.do(ids.role_id(place))
        elif kept := ids.find(place, known.text.reveal()):
            self.do(ids.end(kept, Cause.OPERATOR, OPERATOR))
        for each in self.known:
            if each is known or (with_its_role and each.role == known.role):
                each.left = each.sure = 0

    @rule(known=made, steps=st.integers(0, 3), ends=st.booleans())
    def die_in_the_middle(self, known: Known, steps: int, ends: bool) -> None:
        """Of a login, or of a destruction: what it came to is not known."""
        ids = self.world.secret_ids
        kept = ids.find(("ci", known.role), known.text.reveal())

        async def work() -> None:
            if ends and kept is not None:
                await ids.end(kept, Cause.OPERATOR, OPERATOR)
            else:
                await self._login(known, known.role)

        async def until_dead() -> None:
            self.world.fate.after(steps)
            trying = asyncio.ensure_future(work())
            dying = asyncio.ensure_future(self.world.fate.died.wait())
            await asyncio.wait([trying, dying], return_when=asyncio.FIRST_COMPLETED)
            self.world.fate.after(None)
            for each in (trying, dying):
                each.cancel()
            await asyncio.gather(trying, dying, return_exceptions=True)

        self.do(until_dead())
        known.sure = 0 if ends else max(0, known.sure - 1)
        self.crash()

    def crash(self) -> None:
        self.do(self.world.crash())
        self.up()

    @rule(span_s=st.sampled_from([1, 59, 601]))
    def let_time_pass_and_sweep(self, span_s: int) -> None:
        self.clock.advance(s=span_s)
        self.do(self.world.secret_ids.sweep(PLACES))
        kept = self.do(self.world.store.documents("secret-id"))
        assert all(each.value["expires_ms"] > self.clock.now_ms() for each in kept)
