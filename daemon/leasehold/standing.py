"""Accounts that stand and whose passwords leasehold changes, and when it does. Pure.

When a password is due is reckoned from when it was given last and from the policy alone, so that a
restart, or a daemon that was away, changes nothing about it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from cronsim import CronSim

BY_WINDOW_S = 86_400
"""How long before its date a password is rotated, if the policy does not say."""
NEAR_S = 14 * 86_400
"""How long before that date people are told of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPolicy:
    """How passwords are made: `length` characters, at least `required[kind]` of each kind.

    Kinds are `digits`, `lowercase`, `uppercase`, `symbols`; symbols are drawn from
    `allowed_symbols`.
    """

    length: int = 32
    required: Mapping[str, int] = field(default_factory=dict)
    allowed_symbols: str = "-_.~"


class On(StrEnum):
    """What has a password rotated, besides time."""

    INCIDENT_OPENED = "incident-opened"
    """An incident that covers the role, its account, or somebody who has read it."""
    ROOT_ROTATED = "root-rotated"
    """The administrator's password of its engine was rotated."""
    DAEMON_UNSEALED = "daemon-unsealed"
    """The daemon was sealed in an emergency, and serves again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a password is rotated: every `every_s` seconds, or at instants of `cron` in `timezone`,
    or once before `by`; and on events.

    After an instant of `cron` a rotation may begin within `window_s`, None for ever; before `by` it
    begins `window_s` earlier.
    """

    every_s: int | None = None
    cron: str | None = None
    timezone: str = "UTC"
    by: datetime | None = None
    window_s: int | None = None
    on: frozenset[On] = frozenset()

    def next(self, last: datetime, now: datetime, *, by_kept: bool) -> datetime | None:
        """The next rotation after the one at `last`, perhaps in the past; None for none planned.

        `by_kept` says that the one before `by` was made.
        """
        if self.every_s is not None:
            return last + timedelta(seconds=self.every_s)
        if self.cron is not None:
            return self._next_instant(self.cron, last, now)
        if self.by is not None and not by_kept:
            window_s = BY_WINDOW_S if self.window_s is None else self.window_s
            return self.by - timedelta(seconds=window_s)
        return None

    def _next_instant(self, cron: str, last: datetime, now: datetime) -> datetime | None:
        after = last
        if self.window_s is not None:
            # Instants whose window is over are passed by.
            after = max(last, now - timedelta(seconds=self.window_s))
        found = next(CronSim(cron, after.astimezone(ZoneInfo(self.timezone))), None)
        return None if found is None else found.astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticRole:
    """Accounts that stand at an engine: one, or two that take turns.

    With `rotate_at_adoption` the first rotation is made at once. Of two, the one that is not given
    out any more lives on for `grace_max_s` seconds, None until it is its turn again.
    """

    name: str
    engine: str
    accounts: tuple[str, ...]
    schedule: Schedule
    password_policy: PasswordPolicy = PasswordPolicy()
    rotate_at_adoption: bool = False
    grace_max_s: int | None = None

    @property
    def key(self) -> str:
        """`<engine>/<name>`, which names it in the policy and in the store."""
        return f"{self.engine}/{self.name}"
