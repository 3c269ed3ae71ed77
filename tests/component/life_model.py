"""The model of the life of leases, and how it is held against the world.

It is simple: what was delivered to whom, until when it may live, and whether somebody ended it.
The daemon's own objects (`World`) run on virtual time; `let_settle` has them come to rest, and
`compare` says where both sides differ. What happens to the world stands in `lease_life`.
"""

import asyncio
import random
import re
import shutil
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis.stateful import RuleBasedStateMachine, invariant, multiple

from fakes.clock import FakeClock, VirtualLoop
from fakes.engine import FakeTarget, Fault
from fakes.world import World
from leasehold.errors import LeaseholdError
from leasehold.issuance import IssuedLease
from leasehold.model import Caller, EventType, LeaseState

LETTERS = {
    EventType.ISSUED: "i",
    EventType.RENEWED: "r",
    EventType.EXPIRING: "w",
    EventType.OVERDUE: "o",
    EventType.REVOKED: "e",
    EventType.EXPIRED: "e",
    EventType.SHARED: "",
}
HANGS_S = 3
LEGAL = re.compile("(i(w?r)*w?)?o?e?")
"""What subscribers may hear of one lease: one warning a period, overdue once, one end."""


@dataclass
class Known:
    """What the model knows of a lease whose credential was handed over.

    One that an order covers can be renewed until the enforcer comes to it, and ends all the same.
    """

    holder: Caller
    deadline_ms: int
    max_ms: int
    ended: bool = False


class LifeModel(RuleBasedStateMachine):
    """Subclasses say what happens; a subclass may plant a bug by `world_class`."""

    world_class: type[World] = World

    def __init__(self) -> None:
        super().__init__()
        # Hypothesis seeds `random`, so that the same choices make the same ids and backoffs.
        self.dice = [
            patch("secrets.token_bytes", random.randbytes),
            patch("secrets.randbelow", random.randrange),
        ]
        for each in self.dice:
            each.start()
        self.folder = Path(tempfile.mkdtemp(prefix="life"))
        self.clock = FakeClock()
        self.loop = VirtualLoop(self.clock)
        self.world = self.world_class(self.folder, self.clock)
        self.known: dict[str, Known] = {}
        self.lost: set[str] = set()  # active, but a crash came before the delivery
        self.seen: dict[str, int] = {}
        self.dropped: set[str] = set()  # accounts that somebody took away at the target
        self.do(self.world.start())

    def teardown(self) -> None:
        try:
            self.let_settle()
            self.clock.advance(s=2 * 86_400)
            self.let_settle()
            assert all(not target.accounts for target in self.world.targets.values())
        finally:
            try:
                self.do(self.world.crash())
            finally:
                self.loop.close()
                for each in self.dice:
                    each.stop()
                shutil.rmtree(self.folder)

    def do(self, work: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(awaited(work))

    def attempt(self, work: Awaitable[Any]) -> Any:
        """The result of `work`, or its LeaseholdError; faults that were not met are called off."""
        try:
            return self.do(work)
        except LeaseholdError as error:
            return error
        finally:
            self.world.fate.after(None)
            for target in self.world.targets.values():
                target.faults.clear()

    def fail(self, verb: str, fault: Fault | None) -> None:
        for target in self.world.targets.values():
            target.fail(verb, fault)

    def target_of(self, path: str) -> FakeTarget:
        return self.world.targets["one" if path.startswith("database/") else "two"]

    def is_well(self, path: str) -> bool:
        """Whether nothing stands in the way of a request for `path`."""
        mount, _, role, *_ = path.split("/")
        found = self.world.generation.bundle.roles.get((mount, role))
        if found is None or self.target_of(path).away or self.clock.suspect:
            return False
        return not self.world.engines.current(found.engine).breaker.is_open

    def deliver(self, result: Any, caller: Caller) -> Any:
        if not isinstance(result, IssuedLease):
            return multiple()
        lease = result.lease
        self.known[lease.id] = Known(caller, lease.expires_ms, lease.max_expires_ms)
        return lease.id

    def renewed(self, lease_id: str, result: Any) -> None:
        if isinstance(result, LeaseholdError):
            return
        known = self.known[lease_id]
        assert not known.ended
        assert self.clock.now_ms() - 60_000 < result.lease.expires_ms <= known.max_ms
        known.deadline_ms = result.lease.expires_ms

    # Dying.

    async def die(self) -> None:
        """What was active and not delivered then lives until its deadline."""
        await self.world.crash()
        await self.world.start()
        leases = [x.id for x in await self.world.leases() if x.state is LeaseState.ACTIVE]
        self.lost |= set(leases) - self.known.keys()

    async def dying(self, work: Awaitable[Any], after: int) -> Any:
        """Die after so many steps of `work`, while it hangs, or at its end, and start again."""
        self.world.fate.after(after)
        task = asyncio.create_task(awaited(work))
        died = asyncio.create_task(self.world.fate.died.wait())
        await asyncio.wait({task, died}, timeout=HANGS_S, return_when=asyncio.FIRST_COMPLETED)
        self.world.fate.die()
        for each in (task, died):
            each.cancel()
        result, _ = await asyncio.gather(task, died, return_exceptions=True)
        await self.die()
        return result

    # What must hold.

    @invariant()
    def a_deadline_moves_back_by_renewal_alone(self) -> None:
        for lease in self.do(self.world.leases()):
            assert lease.issued_ms < lease.expires_ms <= lease.max_expires_ms
            known = self.known.get(lease.id)
            if known is None:
                assert lease.expires_ms <= self.seen.get(lease.id, lease.max_expires_ms)
                self.seen[lease.id] = lease.expires_ms
            else:
                assert lease.expires_ms <= known.deadline_ms

    def let_settle(self) -> None:
        self.clock.suspect = False
        for target in self.world.targets.values():
            target.away = False
            target.stubborn.clear()
        self.do(self.world.settle())
        self.do(self.compare())

    async def compare(self) -> None:
        await self.world.assert_accounts_agree(self.dropped)
        assert (await self.world._store.scrub()).clean, "no false alarm, whatever it went through"
        audited, now_ms = await self.world.audited(), self.clock.now_ms()
        for lease in await self.world.leases():
            known = self.known.get(lease.id)
            over = lease.state is LeaseState.REVOKED
            if known is not None and not known.ended:
                assert over == (now_ms >= known.deadline_ms)
            elif lease.id in self.lost:
                assert over or now_ms < lease.expires_ms
            else:
                assert over, "ended by somebody, or never delivered"
            heard = "".join(LETTERS[event] for event in await self.world.told(lease.id))
            assert LEGAL.fullmatch(heard), heard
            assert heard.endswith("e") == over
            lines = [line["event"] for line in audited[lease.id]]
            told = [event for event in lines if event != EventType.NO_EFFECT]
            assert told[0] == "intended"
            assert (told[-1] in ("revoked", "expired")) == over


async def awaited(work: Awaitable[Any]) -> Any:
    return await work
