"""Where a static role stands: who is given out, who reads it, what lives on beside it. Pure.

Of a pair one account is given out. A rotation gives the other one a new password and has it given
out from then on; what was given out before lives on as the predecessor, until everybody who has
read it has acknowledged the new one, or its grace is over, or its turn comes. The passwords
themselves are kept by account (see `kept.py`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from leasehold.leases.store import Document
from leasehold.standing import StaticRole

KIND = "static-role"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticState:
    """Of the role `key` (`<engine>/<name>`); instants are lease time.

    `active` is the account that is given out, for the `version`th time since `rotated_ms`.
    `readers` have the last version that each identity has read, `acknowledged` the last one that it
    said it uses. `predecessor` is the account that lives on, empty for none, until `retire_ms` at
    the latest, None for until its turn. `asked_ms` is when something had it rotated that is not in
    the policy's times, None when that is done. `by` was seen first at `by_ms`.
    """

    key: str
    adopted_ms: int
    active: str
    version: int = 0
    rotated_ms: int | None = None
    readers: Mapping[str, int] = field(default_factory=dict)
    acknowledged: Mapping[str, int] = field(default_factory=dict)
    predecessor: str = ""
    retire_ms: int | None = None
    asked_ms: int | None = None
    by: str = ""
    by_ms: int = 0

    @property
    def last_ms(self) -> int:
        """From when on the next rotation is reckoned."""
        return self.adopted_ms if self.rotated_ms is None else self.rotated_ms

    @property
    def by_is_kept(self) -> bool:
        """Whether it was rotated since its date was set."""
        return self.rotated_ms is not None and self.rotated_ms >= self.by_ms

    @property
    def waiting_for(self) -> list[str]:
        """Identities that have read the predecessor and not acknowledged what came after it."""
        return sorted(
            name
            for name, version in self.readers.items()
            if self.acknowledged.get(name, 0) < self.version
        )

    @property
    def may_retire(self) -> bool:
        """Whether everybody who has read the predecessor uses what came after it."""
        known = any(self.acknowledged.get(name) == self.version for name in self.readers)
        return bool(self.predecessor) and known and not self.waiting_for

    def fits(self, role: StaticRole, now_ms: int) -> "StaticState":
        """This for the role as the policy has it now."""
        by = "" if role.schedule.by is None else role.schedule.by.isoformat()
        fitting = self if by == self.by else replace(self, by=by, by_ms=now_ms)
        if self.active not in role.accounts:
            fitting = replace(fitting, active=role.accounts[0], predecessor="", retire_ms=None)
        elif self.predecessor not in ("", *role.accounts):
            fitting = replace(fitting, predecessor="", retire_ms=None)
        return fitting

    def next_account(self, role: StaticRole) -> str:
        """The account that the next rotation gives a password."""
        others = [name for name in role.accounts if name != self.active]
        return others[0] if others else self.active

    def rotated(
        self, role: StaticRole, account: str, now_ms: int, *, urgent: bool
    ) -> "StaticState":
        """This when `account` has its new password; when `urgent`, nothing lives on beside it."""
        before = "" if account == self.active else self.active
        retire_ms = None
        if before and urgent:
            retire_ms = now_ms
        elif before and role.grace_max_s is not None:
            retire_ms = now_ms + role.grace_max_s * 1000
        return replace(
            self,
            active=account,
            version=self.version + 1,
            rotated_ms=now_ms,
            predecessor=before,
            retire_ms=retire_ms,
            asked_ms=None,
        )

    def retired(self) -> "StaticState":
        """This when nobody can log in as the predecessor any more with what was given out."""
        return replace(self, predecessor="", retire_ms=None)

    def asked(self, now_ms: int) -> "StaticState":
        """This when it is to be rotated at once."""
        return replace(self, asked_ms=self.asked_ms or now_ms)

    def read(self, identity: str) -> "StaticState":
        """This when an identity has got what is given out now."""
        return replace(self, readers={**self.readers, identity: self.version})

    def acknowledges(self, identity: str) -> "StaticState":
        """This when an identity uses what is given out now."""
        return replace(
            self,
            readers={**self.readers, identity: self.version},
            acknowledged={**self.acknowledged, identity: self.version},
        )

    def document(self) -> Document:
        """This as the store keeps it."""
        value = asdict(self)
        return Document(KIND, self.key, {**value, "readers": dict(self.readers)})


def from_document(document: Document) -> StaticState:
    """What `StaticState.document` was made from."""
    value: Mapping[str, Any] = document.value or {}
    return StaticState(**value)


def adopted(role: StaticRole, now_ms: int) -> StaticState:
    """A role that is new: what somebody else gave it lasts until its first rotation."""
    by = "" if role.schedule.by is None else role.schedule.by.isoformat()
    asked_ms = now_ms if role.rotate_at_adoption else None
    return StaticState(
        key=role.key,
        adopted_ms=now_ms,
        active=role.accounts[0],
        asked_ms=asked_ms,
        by=by,
        by_ms=now_ms,
    )
