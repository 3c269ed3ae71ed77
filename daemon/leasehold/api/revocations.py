"""The routes that end many leases at once, and show how far that has come."""

from typing import Any

from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.clock import Clock, rfc3339
from leasehold.errors import NotFound, Unavailable
from leasehold.leases.store import Progress
from leasehold.reconcile.revocation import Revocation
from leasehold.reconcile.revocations import Revocations

REVOCATION = "X-Leasehold-Revocation"
PATIENCE_S = 5.0
"""How long is waited where nobody says whether to wait."""
SYNC_S = 45.0
"""How long is waited for `sync`; below what any request may take."""
_SYNC = Field(
    "sync", Holds.FLAG, "Whether to wait for all of it, or not at all; else some seconds."
)


class RevocationHandlers:
    """An order is durable before any of these answers."""

    def __init__(self, revocations: Revocations, clock: Clock) -> None:
        self._revocations = revocations
        self._clock = clock

    @described(_SYNC, answers=(204, 202))
    async def revoke_prefix(self, ask: Ask) -> Reply:
        """`sys/leases/revoke-prefix/<prefix>`: end all leases below it."""
        return await self._revoke(ask, force=False)

    @described(_SYNC, answers=(204, 202))
    async def revoke_force(self, ask: Ask) -> Reply:
        """`sys/leases/revoke-force/<prefix>`: the same, whatever the targets say."""
        return await self._revoke(ask, force=True)

    async def _revoke(self, ask: Ask, *, force: bool) -> Reply:
        """204 unless the caller will not wait; node-vault takes 202 for a failure."""
        sync = ask.fields.flag("sync", default=None)
        order = await self._revocations.order(ask.caller, ask.path["prefix"], force=force)
        headers = {REVOCATION: order.id}
        if sync is False:
            return Reply(status=202, body={"data": {"revocation": order.id}}, headers=headers)
        progress = await self._revocations.wait(order, SYNC_S if sync else PATIENCE_S)
        if sync and not order.is_met(progress):
            raise Unavailable(_what_is_left(order, progress))
        return Reply(status=204, headers=headers)

    @described(refusals=())
    async def revocations(self, ask: Ask) -> Reply:
        """GET `leasehold/revocations`: those that stand, and the last ones that are over."""
        found = await self._revocations.all(ask.caller)
        return Reply(body={"data": {"revocations": [self._shown(*each) for each in found]}})

    @described(refusals=(NotFound,))
    async def revocation(self, ask: Ask) -> Reply:
        """GET `leasehold/revocations/<id>`: how far one has come."""
        found = await self._revocations.one(ask.caller, ask.path["id"])
        return Reply(body={"data": self._shown(*found)})

    def _shown(self, order: Revocation, progress: Progress) -> dict[str, Any]:
        finished_ms = order.finished_ms
        return {
            "id": order.id,
            "prefix": order.prefix,
            "force": order.force,
            "by": order.by,
            "caller": order.caller.who,
            "caller_uid": order.caller.local_uid,
            "ordered_at": rfc3339(self._clock.wall(order.at_ms)),
            "finished_at": None if finished_ms is None else rfc3339(self._clock.wall(finished_ms)),
            "total": progress.total,
            "ended": progress.ended,
            "gone": progress.gone,
            "forced": progress.forced,
            "failing": progress.failing,
            "waiting": progress.waiting,
            "last_error": progress.last_error,
        }


def _what_is_left(order: Revocation, progress: Progress) -> str:
    left = progress.total - progress.gone if order.force else progress.left
    error = f"; the last one met: {progress.last_error}" if progress.last_error else ""
    return (
        f"{left} of {progress.total} leases below {order.prefix} have not ended yet{error}; it goes"
        f" on, leasehold/revocations/{order.id} shows how far it is"
    )
