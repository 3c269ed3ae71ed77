"""Figures, their budgets, and how they are shown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from statistics import median
from typing import Any

VERSION = 1
_HEAD = ("", "n", "ours", "bare", "ratio min", "median", "max", "budget", "met")


@dataclass(frozen=True)
class Budget:
    """A bound on the median `of` the ratio, or of our own value."""

    of: str
    most: float | None = None
    least: float | None = None

    def words(self, unit: str) -> str:
        bound = self.most if self.most is not None else self.least
        word = "at most" if self.most is not None else "at least"
        return f"{word} {bound:g} {'x' if self.of == 'ratio' else unit}"

    def met_by(self, value: float) -> bool:
        return (self.most is None or value <= self.most) and (
            self.least is None or value >= self.least
        )


@dataclass
class Figure:
    """One measured thing, a value a round; `bare` is what it is compared with, if anything."""

    name: str
    unit: str
    n: int
    budget: Budget | None = None
    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    def add(self, ours: float, bare: float | None = None) -> None:
        """One round."""
        self.ours.append(ours)
        if bare is not None:
            self.bare.append(bare)

    @property
    def ratios(self) -> list[float]:
        """Ours by bare, round by round."""
        return [ours / bare for ours, bare in zip(self.ours, self.bare, strict=bool(self.bare))]

    @property
    def met(self) -> bool | None:
        """Whether the budget is met; None without one."""
        if self.budget is None:
            return None
        return self.budget.met_by(median(self.ratios if self.budget.of == "ratio" else self.ours))


def percentile(spans: Sequence[float], part: float) -> float:
    """The span that `part` of `spans` do not exceed."""
    ordered = sorted(spans)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def table(figures: Sequence[Figure], machine: Mapping[str, Any]) -> str:
    """All figures for people."""
    rows = [_HEAD, *map(_row, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{name}: {value}" for name, value in machine.items()] + [""]
    for row in rows:
        cells = [
            cell.ljust(width) if place in (0, 7) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    missed = [figure.name for figure in figures if figure.met is False]
    lines += ["", f"missed: {', '.join(missed)}" if missed else "every budget is met"]
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, ...]:
    ratios = figure.ratios
    met = {True: "yes", False: "NO", None: ""}[figure.met]
    return (
        figure.name,
        str(figure.n),
        _value(median(figure.ours), figure.unit),
        _value(median(figure.bare), figure.unit) if figure.bare else "",
        *(f"{pick(ratios):.2f}" if ratios else "" for pick in (min, median, max)),
        figure.budget.words(figure.unit) if figure.budget else "",
        met,
    )


def _value(value: float, unit: str) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}"


def as_json(
    figures: Sequence[Figure], machine: Mapping[str, Any], day: date, *, quick: bool
) -> str:
    """All figures for programs."""
    made = {
        "version": VERSION,
        "date": day.isoformat(),
        "quick": quick,
        "machine": machine,
        "figures": [
            {
                "name": figure.name,
                "unit": figure.unit,
                "n": figure.n,
                "rounds": len(figure.ours),
                "ours": _spread(figure.ours),
                "bare": _spread(figure.bare),
                "ratio": _spread(figure.ratios),
                "budget": figure.budget.words(figure.unit) if figure.budget else None,
                "met": figure.met,
            }
            for figure in figures
        ],
    }
    return json.dumps(made, indent=2) + "\n"


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {name: pick(values) for name, pick in (("min", min), ("median", median), ("max", max))}
