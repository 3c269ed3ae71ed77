"""The routes about drills. For operators only."""

from typing import Any

from leasehold.access import Access
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.clock import Clock, rfc3339
from leasehold.errors import Invalid
from leasehold.reconcile.drill_records import Record
from leasehold.reconcile.drills import Drills

OPERATE = "operate"


class DrillHandlers:
    """Makes drills on demand, and shows how the last ones went."""

    def __init__(self, access: Access, drills: Drills, clock: Clock) -> None:
        self._access = access
        self._drills = drills
        self._clock = clock

    @described(Field("role", Holds.TEXT, "The path of a served role.", must=True))
    async def drill(self, ask: Ask) -> Reply:
        """`leasehold/drill`: drill a served role now."""
        allowed = await self._access.require(ask.caller, "leasehold/drill", OPERATE)
        path = ask.fields.text("role")
        if not path:
            raise Invalid("role must be specified, such as database/creds/reader")
        record = await self._drills.drill(ask.caller, path, allowed.identity.name)
        return Reply(body={"data": self._record(record)})

    @described(Field("role", Holds.TEXT, "Only this role, and all that is kept of it."))
    async def drills(self, ask: Ask) -> Reply:
        """`leasehold/drills`: how each role stands, or all that is kept of `role`."""
        await self._access.require(ask.caller, "leasehold/drills", OPERATE)
        if path := ask.fields.text("role"):
            found = await self._drills.history(path)
            return Reply(body={"data": {"history": [self._record(record) for record in found]}})
        roles = [
            {
                "role": standing.path,
                "every": standing.state.every_s,
                "next_at": self._time(standing.state.due_ms),
                "last": None if standing.state.last is None else self._record(standing.state.last),
            }
            for standing in self._drills.standings()
        ]
        return Reply(body={"data": {"roles": roles}})

    def _record(self, record: Record) -> dict[str, Any]:
        return {
            "role": record.path,
            "engine": record.engine,
            "result": record.result,
            "message": record.message,
            "started_at": self._time(record.started_ms),
            "ms": record.ms,
            "steps": dict(record.steps),
            "account": record.account,
            "lease_id": record.lease_id,
            "target": record.target,
            "by": record.by,
            "caller_uid": record.uid,
        }

    def _time(self, at_ms: int | None) -> str | None:
        return None if at_ms is None else rfc3339(self._clock.wall(at_ms))
