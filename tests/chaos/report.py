"""What a run of the harness found, for people; the raw records stand beside it as JSONL."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.report import percentile
from chaos.facts import Violation
from chaos.stage import Record


@dataclass
class Outcome:
    """All runs of one scenario, without a bug in the daemon."""

    name: str
    plan: str
    records: list[Record] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def runs(self) -> list[Record]:
        """Runs that say something."""
        return [record for record in self.records if record.reached and not record.figures]

    @property
    def missed(self) -> list[Record]:
        return [record for record in self.records if not record.reached]

    @property
    def violations(self) -> list[tuple[Record, Violation]]:
        return [(record, each) for record in self.records for each in record.violations]

    @property
    def settled_s(self) -> list[float]:
        return sorted(record.seconds for record in self.runs if record.seconds is not None)


@dataclass(frozen=True)
class Hunt:
    """How many runs it took to find a planted bug, time after time; None where it was not found."""

    bug: str
    scenario: str
    runs: Sequence[int | None]

    @property
    def found(self) -> bool:
        return None not in self.runs and bool(self.runs)


def verdict(outcomes: Iterable[Outcome], hunts: Sequence[Hunt]) -> str:
    """`void`, `failed` or `passed`: a harness that misses a planted bug proves nothing."""
    if not all(hunt.found for hunt in hunts):
        return "void"
    return "failed" if any(outcome.violations for outcome in outcomes) else "passed"


def text(machine: Mapping[str, Any], outcomes: Sequence[Outcome], hunts: Sequence[Hunt]) -> str:
    """The report."""
    parts = [", ".join(f"{name} {value}" for name, value in machine.items()), ""]
    parts += (
        []
        if not outcomes
        else _table(
            (
                "scenario",
                "plan",
                "runs",
                "not met",
                "violations",
                "clean after p50/p99/max s",
                "took s",
            ),
            [_line(outcome) for outcome in outcomes],
        )
    )
    parts += ["", *_figures(outcomes), *_violations(outcomes), *_missed(outcomes)]
    if hunts:
        rows = [(hunt.bug, hunt.scenario, _hunted(hunt)) for hunt in hunts]
        found = sum(hunt.found for hunt in hunts)
        parts += ["", f"planted bugs found: {found} of {len(hunts)}", ""]
        parts += _table(("bug", "found by", "runs until found"), rows)
    parts += ["", f"verdict: {verdict(outcomes, hunts)}"]
    return "\n".join(parts)


def _line(outcome: Outcome) -> Sequence[str]:
    spans = outcome.settled_s
    parts = (0.5, 0.99, 1.0)
    clean = "/".join(f"{percentile(spans, part):.1f}" for part in parts) if spans else ""
    counts = (len(outcome.runs), len(outcome.missed), len(outcome.violations))
    return (outcome.name, outcome.plan, *map(str, counts), clean, f"{outcome.seconds:.0f}")


def _hunted(hunt: Hunt) -> str:
    if not hunt.found:
        return "NOT FOUND"
    found = [runs for runs in hunt.runs if runs is not None]
    return f"{sum(found) / len(found):.1f} (of {len(found)} hunts)"


def _figures(outcomes: Iterable[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        for record in outcome.records:
            if record.figures:
                told = ", ".join(f"{name} {value}" for name, value in record.figures.items())
                yield f"{outcome.name}: {told}"


def _violations(outcomes: Iterable[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        for record, violation in outcome.violations:
            yield f"VIOLATION {outcome.name} {record.what}: {violation}"


def _missed(outcomes: Iterable[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        for record in outcome.missed:
            yield f"not met: {outcome.name} {record.what}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table as Markdown has them."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
