"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Rounds, and how many operations one of them has."""

    rounds: int
    issues: int
    pooled_issues: int
    looks: int
    expiries: tuple[int, ...]
    expiry_rounds: int
    stores: tuple[int, ...]
    starts: int
    idle_s: float
    crowd: int


QUICK = Scale(
    rounds=6,
    issues=100,
    pooled_issues=400,
    looks=200,
    expiries=(2_000,),
    expiry_rounds=3,
    stores=(100_000,),
    starts=3,
    idle_s=5,
    crowd=2_000,
)
FULL = Scale(
    rounds=15,
    issues=200,
    pooled_issues=800,
    looks=500,
    expiries=(2_000, 10_000),
    expiry_rounds=5,
    stores=(100_000, 1_000_000),
    starts=5,
    idle_s=20,
    crowd=10_000,
)
