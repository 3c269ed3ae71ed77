"""What is kept of drills: when the next one is due, how the last one went, and the evidence.

Two documents a role, since evidence is long and seldom read: its state under `KIND`, its last
hundred records under `HISTORY`. Instants are lease time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from leasehold.leases.store import Document
from leasehold.model import Caller, Event, EventType
from leasehold.reconcile.drill import Step

KIND = "drill"
HISTORY = "drill-history"
KEPT = 100
FIRST_S = 600
"""A role with a new schedule is drilled within this time, or sooner if it is due more often."""
SPREAD = 0.1
"""How much earlier than asked for a drill may be due, so that many are not due together."""

Place = tuple[str, str]
"""The mount and the name of a role."""


class DrillResult(StrEnum):
    """How a drill went."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """The target is away. Nothing was tried, so nothing is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One drill: of what, when, how it went, milliseconds by step, and who asked for it."""

    path: str
    engine: str
    result: DrillResult
    started_ms: int
    ms: int
    steps: Mapping[str, int]
    message: str
    account: str
    lease_id: str
    target: str
    by: str
    uid: int | None

    def event(self, now_ms: int, caller: Caller | None) -> Event:
        """What tells of it."""
        passed = self.result is DrillResult.PASSED
        return Event.new(
            EventType.DRILL_PASSED if passed else EventType.DRILL_FAILED,
            now_ms,
            caller=caller,
            about=self.path,
            engine=self.engine,
            ms=str(self.ms),
            issue_ms=self._took(Step.ISSUE),
            login_ms=self._took(Step.LOGIN),
            revoke_ms=self._took(Step.REVOKE),
            refused_ms=self._took(Step.REFUSED),
            account=self.account,
            lease_id=self.lease_id,
            target=self.target,
            by=self.by,
            why=self.message,
        )

    def _took(self, step: Step) -> str:
        return str(self.steps[step]) if step in self.steps else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a role stands. `due_ms` was reckoned for `every_s`; both are None without a schedule.

    `last` is None before the first drill.
    """

    due_ms: int | None = None
    every_s: int | None = None
    last: Record | None = None

    def reckoned(self, every_s: int | None, now_ms: int, dice: float) -> "State":
        """The state if the role is to be drilled every `every_s` seconds, None for never.

        What was reckoned before holds as long as the span is the same, so that neither a restart
        nor another generation repeats or skips a drill. `dice` is a random number in [0, 1).
        """
        if self.every_s == every_s:
            return self
        due_ms = None
        if every_s is not None and self.last is None:
            due_ms = now_ms + int(min(every_s, FIRST_S) * 1000 * dice)
        elif every_s is not None and self.last is not None:
            due_ms = next_due(self.last.started_ms, every_s, dice)
        return replace(self, due_ms=due_ms, every_s=every_s)


def next_due(started_ms: int, every_s: int, dice: float) -> int:
    """When the drill after the one that began at `started_ms` is due: never later than asked."""
    return started_ms + int(every_s * 1000 * (1 - SPREAD * dice))


def state_document(place: Place, state: State) -> Document:
    """A role's state as the store keeps it."""
    return Document(KIND, document_name(place), asdict(state))


def states(documents: Sequence[Document]) -> dict[Place, State]:
    """What `state_document` was made from, by role."""
    found = {}
    for document in documents:
        mount, _, role = document.name.partition("/")
        value: dict[str, Any] = dict(document.value or {})
        if value["last"] is not None:
            value["last"] = _record(value["last"])
        found[mount, role] = State(**value)
    return found


def history_document(place: Place, records: Sequence[Record]) -> Document:
    """The newest records of a role as the store keeps them; `records` are oldest first."""
    value = {"records": [asdict(record) for record in records[-KEPT:]]}
    return Document(HISTORY, document_name(place), value)


def history(document: Document | None) -> list[Record]:
    """The records of a role, oldest first."""
    value = {} if document is None else document.value or {}
    return [_record(each) for each in value.get("records", ())]


def forgotten(place: Place) -> list[Document]:
    """What takes away all that is kept of a role."""
    return [Document(kind, document_name(place), None) for kind in (KIND, HISTORY)]


def document_name(place: Place) -> str:
    """The name of both documents of a role."""
    return "/".join(place)


def _record(value: Mapping[str, Any]) -> Record:
    return Record(**{**value, "result": DrillResult(value["result"])})
