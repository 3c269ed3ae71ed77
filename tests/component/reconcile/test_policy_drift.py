"""A policy that waits for a moment, until who follows the source takes it, is no drift."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.clock import on_virtual_time, virtual_clock
from leasehold.errors import ConfigError
from leasehold.reconcile.policy_drift import AGAIN_S, not_served

EMPTY = SimpleNamespace(empty=True, checksum="1-1", changes=())
AHEAD = SimpleNamespace(empty=False, checksum="2-2", changes=("a", "b"))


class FakeApplier:
    """Plans what it is told to, one after the other."""

    def __init__(self, *plans: Any, troubles: Sequence[str] = ()) -> None:
        self._plans = list(plans)
        self._troubles = list(troubles)

    @property
    def trouble(self) -> str:
        return self._troubles[0] if self._troubles else ""

    async def plan(self) -> Any:
        found = self._plans.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


async def waited(applier: FakeApplier) -> tuple[str, float]:
    """What is said, and after how many seconds."""
    began_ms = virtual_clock().now_ms()
    said = await not_served(applier)
    return said, (virtual_clock().now_ms() - began_ms) / 1000


@pytest.mark.parametrize(
    ("applier", "said", "after_s"),
    [
        (FakeApplier(EMPTY), "", 0),
        (FakeApplier(troubles=["held"]), "held", 0),
        (FakeApplier(AHEAD, EMPTY), "", AGAIN_S),
        (FakeApplier(AHEAD, AHEAD), "plan 2-2 would change 2 objects", AGAIN_S),
        (FakeApplier(*[ConfigError("cannot be read")] * 2), "cannot be read", AGAIN_S),
    ],
    ids=["served", "held", "just taken", "never taken", "unreadable"],
)
@on_virtual_time
async def test_only_what_stays_ahead_is_drift(
    applier: FakeApplier, said: str, after_s: float
) -> None:
    assert await waited(applier) == (said, pytest.approx(after_s, abs=0.01))
