"""The machine of `token_life` finds nothing, and finds each bug that is planted."""

import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from component.token_life import TokenLife
from fakes.ledger import Ledger
from fakes.world import World
from leasehold.leases.token_store import TokenChange
from leasehold.leases.tokens import Token
from leasehold.model import Lease

COURSE = settings(
    max_examples=int(os.environ.get("LEASEHOLD_EXAMPLES", "30")),
    stateful_step_count=30,
    suppress_health_check=list(HealthCheck),
)
UNTIL_FOUND = settings(
    COURSE,
    max_examples=500,
    phases=[Phase.generate],
    database=None,
    print_blob=False,
    report_multiple_bugs=False,
)

TestTokenLife = TokenLife.TestCase
TestTokenLife.settings = COURSE


class JudgesTokensAlone(Ledger):
    """Those above a token are not looked at."""

    def __getattr__(self, name: str) -> Any:
        member = super().__getattr__(name)
        if name != "line":
            return member

        async def line(hash: str) -> list[Token]:
            return [replace(token, parent="") for token in (await member(hash))[:1]]

        return line


class ForgetsLeases(Ledger):
    """A token ends and its leases live on."""

    def __getattr__(self, name: str) -> Any:
        member = super().__getattr__(name)
        if name != "held_by":
            return member

        async def held_by(holder: str, limit: int) -> list[Lease]:
            return []

        return held_by


class CountsNoUses(Ledger):
    """A use is not written down."""

    def __getattr__(self, name: str) -> Any:
        member = super().__getattr__(name)
        if name != "write":
            return member

        async def write(change: Any) -> None:
            is_use = isinstance(change, TokenChange) and change.old and change.new
            if not is_use or change.new.uses == change.old.uses:
                await member(change)

        return write


BUGS = (JudgesTokensAlone, ForgetsLeases, CountsNoUses)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(bug: type[Ledger]) -> None:
    world = type("BadWorld", (World,), {"ledger_class": bug})
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            type("BadLife", (TokenLife,), {"world_class": world}), settings=UNTIL_FOUND
        )
