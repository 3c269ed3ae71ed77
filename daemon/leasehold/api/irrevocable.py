"""The routes about leases that do not end as they should, which Vault calls irrevocable.

Here those are overdue or quarantined ones. They are tried for ever, so the word is Vault's alone.
"""

from collections.abc import Callable

from leasehold.access import Access
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.errors import Invalid, NotFound
from leasehold.inspection import Inspection

MOST = 10_000
IRREVOCABLE = "irrevocable"
_TYPE = Field("type", Holds.TEXT, f"`{IRREVOCABLE}`.", must=True)


class IrrevocableHandlers:
    """`look_now` has the expiry workers look at once, and try what waits for an attempt."""

    def __init__(
        self, access: Access, inspection: Inspection, look_now: Callable[[], None]
    ) -> None:
        self._access = access
        self._inspection = inspection
        self._look_now = look_now

    @described(_TYPE, refusals=(NotFound,))
    async def count(self, ask: Ask) -> Reply:
        """GET `sys/leases/count`: how many there are, by mount."""
        _check_type(ask)
        counts = await self._inspection.irrevocable_by_mount(ask.caller)
        return Reply(body={"data": {"lease_count": sum(counts.values()), "counts": dict(counts)}})

    @described(
        _TYPE,
        Field("limit", Holds.COUNT, f"How many, {MOST} at most, which `none` means too."),
        refusals=(NotFound,),
    )
    async def leases(self, ask: Ask) -> Reply:
        """GET `sys/leases`: which there are, the oldest deadline first."""
        _check_type(ask)
        limit = ask.fields.count("limit", default=MOST, most=MOST, word="none")
        counts = await self._inspection.irrevocable_by_mount(ask.caller)
        found = await self._inspection.irrevocable(ask.caller, limit)
        total = sum(counts.values())
        cut = [f"only {len(found)} of {total} leases are shown"] if len(found) < total else []
        leases = [
            {"lease_id": lease.id, "mount_id": lease.mount, "error": lease.last_error}
            for lease in found
        ]
        return Reply(body={"data": {"lease_count": len(leases), "leases": leases}}, warnings=cut)

    @described(answers=(202,))
    async def tidy(self, ask: Ask) -> Reply:
        """`sys/leases/tidy`: try now what should have ended."""
        await self._access.require(ask.caller, "leasehold/leases", "operate")
        self._look_now()
        told = (
            "what is due, or waits for another attempt, is tried now; leases need no tidying here,"
            " so nothing else is done"
        )
        return Reply(status=202, body={"data": None}, warnings=[told])


def _check_type(ask: Ask) -> None:
    kind = ask.fields.text("type")
    if not kind:
        raise Invalid(f"type must be specified; allowed is {IRREVOCABLE}")
    if kind != IRREVOCABLE:
        raise NotFound(f"type: found '{kind[:40]}'; allowed is {IRREVOCABLE}")
