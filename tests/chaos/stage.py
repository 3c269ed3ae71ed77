"""What a scenario is given and what it gives back; a scenario is a module below `chaos.scenarios`.

It has `PLAN` (the test's name in the plan), a docstring whose first line says what is done, and
`run(stage)`, which yields one record a run. `chaos.runner` finds it by its name.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from bench.report import percentile
from chaos.facts import ENDED, Census, Violation
from chaos.invariants import story_is_whole
from chaos.trial import Settled, Trial, trial
from chaos.world import World


class Size(StrEnum):
    """How much is done: what a test suite has time for, about 20 minutes in all, a release."""

    SMALL = "small"
    CI = "ci"
    LONG = "long"


@dataclass(frozen=True)
class Record:
    """One run: what was done, and what was not kept.

    `reached` is False when the fault did not come to pass, so that the run says nothing.
    """

    what: dict[str, Any]
    violations: Sequence[Violation] = ()
    seconds: float | None = None
    reached: bool = True
    figures: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, settled: Settled, /, *, reached: bool = True, **what: Any) -> "Record":
        """What a census found after something was done."""
        return cls(what, settled.violations, round(settled.seconds, 3), reached)


@dataclass(frozen=True)
class Stage:
    """Where a scenario plays. `planted` names the bug that the daemon has, `only` what to do."""

    world: World
    folder: Path
    size: Size
    seed: int
    planted: str = ""
    only: Sequence[str] = ()
    wanted: int | None = None

    @contextmanager
    def trial(self, **how: Any) -> Iterator[Trial]:
        """A daemon for this scenario."""
        with trial(self.world, self.folder, planted=self.planted, **how) as made:
            yield made

    def times(self, *, small: int, ci: int, long: int) -> int:
        """How often, by size, or as often as is `wanted`."""
        if self.wanted is not None:
            return self.wanted
        return {Size.SMALL: small, Size.CI: ci, Size.LONG: long}[self.size]


def totals(trial: Trial) -> dict[str, Any]:
    """How much was done in a trial, for its last record; how late leases ended by themselves."""
    census = trial.census()
    late_ms = [
        row.ended_ms - row.expires_ms
        for row in census.rows.values()
        if row.cause == "ttl" and row.ended_ms is not None
    ]
    unknown = {ask.nonce for ask in trial.journal.unknown()}
    active = [row for row in census.rows.values() if row.state == "active"]
    return {
        "leases": len(census.rows),
        "acknowledged": trial.journal.issued,
        "kills": trial.kills,
        "unknown": len(unknown),
        "in the audit from intent to end": _told_whole(census),
        "active though unknown": sum(row.reason in unknown for row in active),
        "overrun_ms": _spread(late_ms),
    }


def _told_whole(census: Census) -> str:
    """Of how many leases that are over the audit has every step (T45); I7 names the others."""
    over = [row.id for row in census.rows.values() if row.state == ENDED]
    whole = sum(story_is_whole(census.told[each].events) for each in over if each in census.told)
    return f"{whole} of {len(over)}"


def _spread(values: Sequence[int]) -> dict[str, float]:
    if not values:
        return {"n": 0}
    parts = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {"n": len(values), **{name: percentile(values, at) for name, at in parts.items()}}
