"""What a plan is made of. Pure.

An address names an object for people and for `protected:`, such as `role:postgres-prod/reader`.
Counts of leases are of live ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What happens to an object. `drain` takes away what lives on until its leases have ended."""

    CREATE = "create"
    UPDATE = "update"
    DRAIN = "drain"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of an object before and after, as people read it; empty for what is not there."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseImpact:
    """How many leases a change hits: of `total`, so many end earlier, are revoked now, or are
    stranded (they live on but their holders can no longer renew them). `holders` counts leases by
    identity, the most first.
    """

    total: int = 0
    shortened: int = 0
    revoked: int = 0
    stranded: int = 0
    holders: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object that changes, why, and what that does to leases."""

    address: str
    action: Action
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    leases: LeaseImpact = LeaseImpact()
    revocability: str = ""

    @property
    def removes(self) -> bool:
        """Whether the object leaves the bundle."""
        return self.action in (Action.DRAIN, Action.DELETE)


NOT_ALLOWED, NO_CAP = 0.0, float("inf")


@dataclass(frozen=True, slots=True, order=True)
class AccessChange:
    """What an identity may do with `verb` at `path`, before and after.

    Each is the longest lease in seconds, NOT_ALLOWED, or NO_CAP where no access rule caps it, with
    the conditions that it takes, in words.
    """

    identity: str
    path: str
    verb: str
    before: float
    before_if: tuple[str, ...]
    after: float
    after_if: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccessDelta:
    """Who gains and who loses what. A longer cap counts as gained, a shorter one as lost."""

    gained: tuple[AccessChange, ...] = ()
    lost: tuple[AccessChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsafe:
    """A limit that a plan breaks: its stable `code`, what was found and what is allowed."""

    code: str
    message: str


class CheckResult(StrEnum):
    """How the proof of a role went."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Nothing was proved: the target is away, or the engine cannot tell beforehand."""
    PENDING = "pending"
    """An apply proves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Whether a new or changed role holds, and how long it took to see that.

    That is whether its accounts can be made and taken away, or of a static role and an
    administrator, whether their passwords can be changed. `ms` is None where nothing was tried;
    `message` says why, or what was wrong.
    """

    address: str
    result: CheckResult
    ms: int | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that an apply would do, against generation `generation` (0 when there is none).

    `leases` counts each lease once, however many changes hit it.
    """

    generation: int
    digest: str
    changes: tuple[Change, ...]
    access: AccessDelta
    leases: LeaseImpact
    live_leases: int
    unsafe: tuple[Unsafe, ...]
    checksum: str
    checks: tuple[Check, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether an apply would change nothing."""
        return not self.changes

    def count(self, action: Action) -> int:
        """How many objects the action happens to."""
        return sum(change.action is action for change in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleUsage:
    """Live leases of one role: by identity, and how many would end later than a new maximum."""

    holders: Mapping[str, int]
    beyond_new_max: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.holders.values())


Usage = Mapping[tuple[str, str], RoleUsage]
"""By mount and role name; roles without a live lease may be missing."""


def ranked(holders: Mapping[str, int]) -> Sequence[tuple[str, int]]:
    """Holders with their leases, the most first, then by name."""
    return sorted(holders.items(), key=lambda held: (-held[1], held[0]))
