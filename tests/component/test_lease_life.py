"""The machine of `lease_life` finds nothing, and finds each bug that is planted."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from component.lease_life import LeaseLife
from fakes.engine import FakeEngine
from fakes.ledger import Ledger
from fakes.world import World
from leasehold.access import Access
from leasehold.leases.store import Change
from leasehold.model import Caller, Cause, Lease, LeaseState
from leasehold.plugin import Account, EngineTemporary, Removal, Stage
from leasehold.removal import Attempt

EXAMPLES = int(os.environ.get("LEASEHOLD_EXAMPLES", "40"))
STEPS = 500 if "LEASEHOLD_EXAMPLES" in os.environ else 40
COURSE = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    suppress_health_check=list(HealthCheck),
)
UNTIL_FOUND = settings(
    COURSE,
    max_examples=2_000,
    stateful_step_count=40,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    print_blob=False,
    report_multiple_bugs=False,
)

TestLeaseLife = LeaseLife.TestCase
TestLeaseLife.settings = COURSE
TestLeaseLife.pytestmark = pytest.mark.timeout(max(600, 60 * EXAMPLES))


class DropsRevocations(FakeEngine):
    """One revocation in three is answered and not done."""

    async def revoke(self, account: Account) -> Removal:
        if account.name[8] in "abcdefghijk":
            return Removal(stage=Stage.REMOVED)
        return await super().revoke(account)


class TakesTroubleForSuccess(FakeEngine):
    """What could not be tried counts as removed."""

    async def revoke(self, account: Account) -> Removal:
        try:
            return await super().revoke(account)
        except EngineTemporary:
            return Removal(stage=Stage.REMOVED)


class BadLedger(Ledger):
    """Changes what is written before it is."""

    def __getattr__(self, name: str) -> Any:
        member = super().__getattr__(name)
        if name == "write":
            return lambda change: self.spoil_one(member, change)
        if name == "write_many":
            return lambda changes: member([self.spoilt(change) for change in changes])
        return member

    async def spoil_one(self, write: Any, change: Change) -> None:
        await write(self.spoilt(change))

    def spoilt(self, change: Change) -> Change:
        raise NotImplementedError


class ForgetsIntents(BadLedger):
    """An intent is written only once the account stands."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._intents: dict[str, Change] = {}

    async def spoil_one(self, write: Any, change: Change) -> None:
        if change.old is None:
            self._intents[change.new.id] = change
            return
        if intent := self._intents.pop(change.new.id, None):
            await write(intent)
        await write(change)

    def spoilt(self, change: Change) -> Change:
        return change


class NeverLooksTwice(BadLedger):
    """A create whose outcome is unknown counts as proven."""

    def spoilt(self, change: Change) -> Change:
        return replace(change, new=replace(change.new, unproven=False))


class TellsTwice(BadLedger):
    """The end of a lease is told twice."""

    def spoilt(self, change: Change) -> Change:
        ends = change.new.state is LeaseState.REVOKED
        return replace(change, events=change.events * 2) if ends else change


class GrowsDeadlines(BadLedger):
    """A warning moves the deadline a second back."""

    def spoilt(self, change: Change) -> Change:
        new = change.new
        if new.warned and new.expires_ms < new.max_expires_ms - 1_000:
            new = replace(new, expires_ms=new.expires_ms + 1_000)
        return replace(change, new=new)


class GivesUp(BadLedger):
    """After two attempts a lease is left alone."""

    def spoilt(self, change: Change) -> Change:
        new = change.new
        if new.attempts >= 2 and new.next_ms is not None:
            new = replace(new, next_ms=new.next_ms + 10**12)
        return replace(change, new=new)


class AnswersBeforeAudit(BadLedger):
    """The audit is written a moment after the change."""

    async def spoil_one(self, write: Any, change: Change) -> None:
        await write(replace(change, events=()))
        self.record_soon(*change.events)

    def spoilt(self, change: Change) -> Change:
        self.record_soon(*change.events)
        return replace(change, events=())


class EndsBeforeDrop(World):
    """A lease is over in the ledger before its account is dropped."""

    async def start(self) -> None:
        await super().start()
        remover = self.remover
        attempt = remover.attempt

        async def bad(leases: Iterable[Lease]) -> list[Attempt]:
            some, now_ms = list(leases), self.clock.now_ms()
            removed = Removal(stage=Stage.REMOVED)
            await remover.settle([Attempt(it, removed, now_ms) for it in some], Cause.TTL)
            return await attempt(some)

        remover.attempt = bad  # type: ignore[method-assign]


class OwnsEverything(Access):
    """Every known caller counts as the holder."""

    def owns(self, caller: Caller, lease: Lease) -> bool:
        return bool(self.identities(caller))


def planted(*, world_class: type = World, **parts: type) -> type[LeaseLife]:
    world = type("BadWorld", (world_class,), parts)
    return type("BadLife", (LeaseLife,), {"world_class": world})


BUGS: Sequence[dict[str, type]] = (
    {"engine_class": DropsRevocations},
    {"engine_class": TakesTroubleForSuccess},
    {"ledger_class": ForgetsIntents},
    {"ledger_class": NeverLooksTwice},
    {"ledger_class": TellsTwice},
    {"ledger_class": GrowsDeadlines},
    {"ledger_class": GivesUp},
    {"ledger_class": AnswersBeforeAudit},
    {"world_class": EndsBeforeDrop},
    {"access_class": OwnsEverything},
)


@pytest.mark.parametrize("parts", BUGS, ids=lambda parts: next(iter(parts.values())).__name__)
def test_a_planted_bug_is_found(parts: dict[str, type]) -> None:
    with pytest.raises(AssertionError):
        run_state_machine_as_test(planted(**parts), settings=UNTIL_FOUND)
