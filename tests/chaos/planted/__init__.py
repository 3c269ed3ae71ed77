"""Twelve bugs, one of which a daemon is started with by `chaos.start`: each must be found.

A module here has `install()`, which puts its bug into the process, and a docstring that says what
it breaks. Production code knows nothing of them. `BUGS` names the scenario that finds each, and
what of it is enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """A module of this package, and who finds it."""

    name: str
    scenario: str
    only: Sequence[str] = ()


BUGS = (
    Bug("no_intent", "crash", ("issue.created",)),
    Bug("late_intent", "crash", ("issue.created",)),
    Bug("unsynced_ledger", "power"),
    Bug("done_before_drop", "crash", ("engine.revoke.calling",)),
    Bug("gives_up", "stubborn"),
    Bug("blind_absence", "elsewhere"),
    Bug("monotonic_clock", "clock"),
    Bug("wall_deadlines", "clock"),
    Bug("no_fence", "race"),
    Bug("early_deletion", "crash", ("outbox.publishing",)),
    Bug("unredacted_log", "calm"),
    Bug("answer_before_audit", "crash", ("audit.append",)),
)
