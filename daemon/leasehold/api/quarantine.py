"""The routes of a quarantine. For operators only."""

from collections.abc import Iterator
from typing import Any

from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.clock import Clock, rfc3339
from leasehold.errors import Conflict, Denied
from leasehold.reconcile.quarantine import Quarantine
from leasehold.reconcile.quarantine_look import Case, Plan
from leasehold.reconcile.quarantine_record import Record
from leasehold.reconcile.quarantine_verdict import Action

MOST = 1_000
"""How many leases are shown one by one; all are counted."""
_SHOWN = (Action.ADOPT, Action.CLOSE, Action.REVOKE, Action.DOUBTFUL)


class QuarantineHandlers:
    """What is answered is durable before it is."""

    def __init__(self, quarantine: Quarantine, clock: Clock) -> None:
        self._quarantine = quarantine
        self._clock = clock

    @described()
    async def show(self, ask: Ask) -> Reply:
        """GET `leasehold/quarantine`: the last quarantine, and what a release would do."""
        record, plan = await self._quarantine.show(ask.caller)
        if record is None:
            return Reply(body={"data": {"state": "none"}})
        shown = self._shown(record)
        return Reply(body={"data": shown if plan is None else {**shown, "plan": self._plan(plan)}})

    @described(
        Field(
            "adopt_doubtful",
            Holds.FLAG,
            "Whether leases that are over by the store, and may have been renewed since, get"
            " another term; by default they end.",
        ),
        refusals=(Denied, Conflict),
    )
    async def release(self, ask: Ask) -> Reply:
        """`leasehold/quarantine/release`: have the plan carried out, and all go on."""
        adopt = ask.fields.flag("adopt_doubtful", default=False)
        record = await self._quarantine.release(ask.caller, adopt_doubtful=adopt)
        return Reply(body={"data": self._shown(record)})

    def _shown(self, record: Record) -> dict[str, Any]:
        return {
            "state": record.state,
            "why": record.why,
            "since": self._time(record.at_ms),
            "audit_complete": record.complete,
            "by": record.by or None,
            "released_at": self._time(record.released_ms),
            "report": dict(record.report),
        }

    def _plan(self, plan: Plan) -> dict[str, Any]:
        return {
            **{str(action): plan.count(action) for action in _SHOWN},
            "keep": plan.kept,
            "orphans": dict(plan.orphans),
            "unlooked": dict(plan.unlooked),
            "leases": list(self._cases(plan)),
        }

    def _cases(self, plan: Plan) -> Iterator[dict[str, Any]]:
        for case in sorted(plan.cases, key=_order)[:MOST]:
            lease = case.shown
            ends_ms = case.told.expires_ms if case.told else lease.expires_ms
            yield {
                "lease_id": lease.id,
                "account": lease.account,
                "engine": lease.engine,
                "identity": lease.identity,
                "action": case.verdict.action,
                "why": case.verdict.why,
                "expires_at": self._time(ends_ms),
            }

    def _time(self, at_ms: int | None) -> str | None:
        return None if at_ms is None else rfc3339(self._clock.wall(at_ms))


def _order(case: Case) -> tuple[int, str]:
    return _SHOWN.index(case.verdict.action), case.shown.id
