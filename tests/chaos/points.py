"""The failpoints that crashes and faults are tried at: the numbers of the plan, and ours.

A point belongs to a `Kind`, which says what can go wrong there, and is met by load, or by what
`provoke` names (see `chaos.provoking`). Points that need an operation of their own, such as a drill
or an order by force, are killed at in the tests of that operation; docs/chaos.md lists them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any


class Kind(Enum):
    """Where a point stands."""

    VERB = auto()
    """In a coroutine of a verb or of a worker."""
    CALL = auto()
    """Around a call to an engine, which has a deadline."""
    PLUGIN = auto()
    """Within an engine's work."""
    DISK = auto()
    """Where the ledger or the audit is written."""
    AROUND = auto()
    """Where nothing can fail, and time can pass."""
    EDGE = auto()
    """Where a daemon that starts or stops can only die."""
    FIRST = auto()
    """The same, in the first start of all."""


FAULTS: Mapping[Kind, Sequence[str]] = {
    Kind.VERB: ("defect", "cancel", "sleep"),
    Kind.CALL: ("defect", "drop-connection", "cancel", "sleep", "hang"),
    Kind.PLUGIN: ("defect", "drop-connection"),
    Kind.DISK: ("raise", "full", "sleep"),
    Kind.AROUND: ("sleep",),
    Kind.EDGE: (),
    Kind.FIRST: (),
}
"""What besides a crash makes sense where (T2)."""


@dataclass(frozen=True)
class Point:
    """`plan` are its numbers in the plan; `spread` is among how many hits the one that counts is
    drawn; `also` are points that must be armed with it."""

    name: str
    kind: Kind
    plan: Sequence[int] = ()
    engine: str = ""
    spread: int = 6
    provoke: str = "load"
    also: Mapping[str, dict[str, Any]] = field(default_factory=dict)


_FAILED_ISSUE = {"engine.issue.called": {"action": "drop-connection"}}

POINTS = (
    # Issue.
    Point("issue.before-intent", Kind.VERB, (1,)),
    Point("issue.intended", Kind.VERB, (3,)),
    Point("engine.issue.calling", Kind.CALL, (5,)),
    Point("postgresql.issue.connected", Kind.PLUGIN, (5,), "pg"),
    Point("mysql.issue.connected", Kind.PLUGIN, (5,), "my"),
    Point("redis.issue.connected", Kind.PLUGIN, (5,), "rd"),
    Point("mysql.issue.sent", Kind.PLUGIN, (6, 7), "my"),
    Point("redis.issue.unsaved", Kind.PLUGIN, (6,), "rd"),
    Point("postgresql.issue.sent", Kind.PLUGIN, (7,), "pg"),
    Point("redis.issue.sent", Kind.PLUGIN, (7,), "rd"),
    Point("engine.issue.called", Kind.CALL, (8,)),
    Point("issue.created", Kind.VERB, (8,)),
    Point("issue.activated", Kind.VERB, (10,)),
    Point("issue.abandoned", Kind.AROUND, also=_FAILED_ISSUE, spread=1),
    Point("reply.ready", Kind.VERB, (11,), spread=20),
    Point("reply.sent", Kind.AROUND, (14,), spread=20),
    # Renew.
    Point("renew.before-target", Kind.VERB, (15,), spread=3),
    Point("engine.renew.calling", Kind.CALL, spread=3),
    Point("engine.renew.called", Kind.CALL, spread=3),
    Point("renew.moved", Kind.VERB, (16,), spread=3),
    Point("renew.written", Kind.VERB, (17,), spread=3),
    # Revoke.
    Point("revoke.claimed", Kind.VERB, (18,), spread=3),
    Point("revoke.intended", Kind.VERB, (18,), spread=3),
    Point("engine.revoke.calling", Kind.CALL, spread=3),
    Point("postgresql.revoke.locked", Kind.PLUGIN, (19,), "pg", 1, "session"),
    Point("mysql.revoke.locked", Kind.PLUGIN, (19,), "my", 3),
    Point("postgresql.revoke.disabled", Kind.PLUGIN, (20,), "pg", 1, "session"),
    Point("mysql.revoke.disabled", Kind.PLUGIN, (20,), "my", 3),
    Point("postgresql.revoke.dropped", Kind.PLUGIN, (21,), "pg", 3),
    Point("mysql.revoke.dropped", Kind.PLUGIN, (21,), "my", 3),
    Point("redis.revoke.deleted", Kind.PLUGIN, (21,), "rd", 3),
    Point("engine.revoke.called", Kind.CALL, (21,), spread=3),
    Point("revoke.removed", Kind.VERB, (21,), spread=3),
    Point("revoke.written", Kind.VERB, (23,), spread=3),
    # The worker that ends what is due, and the events.
    Point("expiry.selected", Kind.VERB, (25,), spread=3),
    Point("expiry.taken", Kind.VERB, (26,), spread=3),
    Point("outbox.publishing", Kind.AROUND, (27,), spread=20),
    Point("outbox.acknowledged", Kind.AROUND, (29,), spread=20),
    Point("outbox.deleted", Kind.AROUND, spread=10),
    # The ledger and the audit, whoever writes.
    Point("store.changed", Kind.DISK, (2, 9, 22), spread=40),
    Point("store.commit", Kind.DISK, (4, 9, 11, 22, 24), spread=40),
    Point("store.committed", Kind.AROUND, (3, 10, 23), spread=40),
    Point("store.merging", Kind.AROUND, (43,), spread=1),
    Point("store.merged", Kind.AROUND, (43,), spread=1),
    Point("audit.append", Kind.DISK, (4, 11, 24), spread=40),
    Point("audit.written", Kind.DISK, (31,), spread=40),
    Point("audit.rotate.written", Kind.DISK, (32,), spread=1),
    Point("audit.rotate.linked", Kind.DISK, (32,), spread=1),
    Point("audit.rotate.renamed", Kind.AROUND, (32,), spread=1),
    # The policy, orders and incidents, orphans.
    Point("apply.planned", Kind.AROUND, (38,), spread=1, provoke="policy"),
    Point("apply.written", Kind.AROUND, (38,), spread=1, provoke="policy"),
    Point("apply.served", Kind.AROUND, (39,), spread=1, provoke="policy"),
    Point("enforce.page", Kind.VERB, spread=1, provoke="order"),
    Point("incident.page", Kind.VERB, spread=1, provoke="incident"),
    Point("orphans.told", Kind.VERB, (42,), spread=1, provoke="orphan"),
    Point("orphans.removed", Kind.VERB, (42,), spread=1, provoke="orphan"),
    # Start and stop.
    Point("key.opened", Kind.FIRST, (), spread=1, provoke="first start"),
    Point("key.written", Kind.FIRST, (), spread=1, provoke="first start"),
    Point("store.migrating", Kind.FIRST, (36,), spread=5, provoke="first start"),
    Point("store.migrated", Kind.FIRST, (37,), spread=5, provoke="first start"),
    Point("start.opened", Kind.EDGE, (40,), spread=1, provoke="restart"),
    Point("recover.read", Kind.EDGE, (40,), spread=1, provoke="restart"),
    Point("recover.written", Kind.EDGE, (41,), spread=1, provoke="restart"),
    Point("stop.draining", Kind.EDGE, (44,), spread=1, provoke="stop"),
    Point("stop.drained", Kind.EDGE, (44,), spread=1, provoke="stop"),
)
BY_NAME = {point.name: point for point in POINTS}
