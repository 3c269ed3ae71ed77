"""What a policy allows one identity, tenant or engine: live leases, and issues in a span. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

MAX_LEASES, ISSUES = "max_leases", "issues"
WARN_PCT, REFUSE_PCT = 70, 90


class Kind(StrEnum):
    """Whose leases a limit counts. The policy's `quotas` are for the last three."""

    ROLE = "role"
    MOUNT = "mount"
    ENGINE = "engine"
    TENANT = "tenant"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds, all of them at once if need be; then one each `pause_s`."""

    count: int
    span_s: int

    @property
    def pause_s(self) -> float:
        """How long one of them takes to come back, in seconds."""
        return self.span_s / self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The most live leases and the fastest issuing; None for no limit.

    From which share of the target's own ceilings on it is told that they are near, and no more is
    issued, is in per cent; None for `WARN_PCT` and `REFUSE_PCT`.
    """

    max_leases: int | None = None
    issues: Rate | None = None
    ceiling_warn_pct: int | None = None
    ceiling_refuse_pct: int | None = None

    def or_else(self, default: "Quota") -> "Quota":
        """Whatever this one says nothing of, as `default` has it."""
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        return Quota(
            **{
                name: getattr(default, name) if value is None else value
                for name, value in said.items()
            }
        )


NO_QUOTA = Quota()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """All quotas of a policy: by kind and name, and by kind what holds for the rest."""

    named: Mapping[tuple[Kind, str], Quota] = field(default_factory=dict)
    defaults: Mapping[Kind, Quota] = field(default_factory=dict)

    def of(self, kind: Kind, name: str) -> Quota:
        """What holds for one of them."""
        default = self.defaults.get(kind, NO_QUOTA)
        return self.named.get((kind, name), NO_QUOTA).or_else(default)

    def __iter__(self) -> Iterator[tuple[str, Quota]]:
        """Every quota as it is written, `identity/billing-api`, `identity/*` for a default."""
        for (kind, name), quota in self.named.items():
            yield f"{kind}/{name}", quota
        for kind, quota in self.defaults.items():
            yield f"{kind}/*", quota


NO_QUOTAS = Quotas()
