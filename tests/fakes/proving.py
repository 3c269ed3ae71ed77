"""What proves roles, on a world: the policy as text, plan and apply, drills."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fakes.policies import engine_type
from fakes.policy import OPERATOR
from fakes.world import World
from leasehold.methods.catalog import load_method_class
from leasehold.methods.registry import Methods
from leasehold.model import Event, EventType, LeaseState
from leasehold.reconcile.applier import Applier
from leasehold.reconcile.changes import Plan
from leasehold.reconcile.drill import Drill
from leasehold.reconcile.drill_schedule import DrillSchedule
from leasehold.reconcile.drills import Drills
from leasehold.reconcile.rehearsal import Rehearsal
from leasehold.serving import Serving
from leasehold.sources.source import Origin, Snapshot

Roles = Mapping[str, Mapping[str, Any]]
ENGINES = {
    "main": {"type": "fake", "mount": "database", "connection": {"host": "one"}},
    "other": {"type": "fake", "mount": "cache", "connection": {"host": "two"}},
}
READER = {"main/reader": {}}


class TextSource:
    """A policy that a test writes."""

    location, trouble = "a test", ""

    def __init__(self) -> None:
        self.policy: dict[str, Any] = {}

    async def read(self) -> Snapshot:
        data = json.dumps(self.policy).encode()  # which is YAML too
        return Snapshot((("policy.yaml", data),), Origin("directory", self.location))

    async def accepted(self, origin: Origin) -> None:
        pass


class Proving:
    """Made anew when its world has started again, as the daemon's is."""

    def __init__(self, world: World, source: TextSource | None = None) -> None:
        self.world = world
        self.source = source or TextSource()
        self.serving = Serving(
            {"fake": engine_type(rotates=frozenset({"static"}))},
            world.engines,
            b"key of recipes",
            Methods({}, load_method_class, lambda: 0.0),
            world.kept,
        )
        drill = Drill(world.store, world.clock, world.creation, world.ending)
        parts = {
            "serving": self.serving,
            "engines": world.engines,
            "store": world.store,
            "clock": world.clock,
        }
        proving = {**parts, "drill": drill, "background": world.background}
        rehearsal = Rehearsal(**proving)
        self.applier = Applier(**parts, source=self.source, rehearsal=rehearsal, automatic=False)
        self.drills = Drills(**proving, ending=world.ending)
        self.schedule = DrillSchedule(self.drills, self.serving, world.clock)
        self.applier.on_change(self.schedule.wake)

    def write(
        self, roles: Roles, engines: Mapping[str, Any] = ENGINES, static: Roles | None = None
    ) -> None:
        self.source.policy = {
            "engines": engines,
            "roles": roles,
            "static_roles": static or {},
            "identities": {
                "tests": {"owner": "o", "tenant": "t", "match": [{"unix": {"uid": OPERATOR.uid}}]}
            },
            "safety": {"max_deletes": 100, "max_delete_pct": 100},
        }

    async def serve(self, roles: Roles = READER) -> "Proving":
        """Start with these roles, or with the generation that is kept."""
        if not self.source.policy:
            self.write(roles)
        self._as_served((await self.applier.start()).number)
        await self.drills.start()
        return self

    async def apply(
        self,
        roles: Roles,
        *allow: str,
        engines: Mapping[str, Any] = ENGINES,
        static: Roles | None = None,
    ) -> Plan:
        self.write(roles, engines, static)
        plan = await self.applier.apply(OPERATOR, "tests", checksum=None, allow=allow)
        self._as_served(self.serving.current().number)
        return plan

    def _as_served(self, number: int) -> None:
        self.world.generation = replace(self.serving.current(), number=number)

    async def told(self) -> list[Event]:
        """Every event of a drill that subscribers would hear, in order."""
        async with self.world.store.alone() as store:
            entries = await store.outbox(100_000)
        kinds = (EventType.DRILL_PASSED, EventType.DRILL_FAILED)
        return [entry.event for entry in entries if entry.event.type in kinds]


async def nothing_is_left(world: World) -> None:
    """No account of a proof or a drill stands, nor has a lease that is not over."""
    await world.store.record()  # behind whatever is still being written
    await world.settle()
    await world.assert_accounts_agree()
    assert not any(target.accounts for target in world.targets.values())
    assert {lease.state for lease in await world.leases()} <= {LeaseState.REVOKED}
