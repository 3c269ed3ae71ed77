"""The routes about the policy itself: plan, apply, what was applied. For operators only."""

import base64
from collections.abc import Awaitable, Callable

from leasehold.access import Access
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.clock import Clock, rfc3339
from leasehold.errors import Denied, Invalid, Locked, Stale, Unsafe
from leasehold.leases.store import LeaseStore
from leasehold.reconcile.applier import Applier
from leasehold.reconcile.generations import history
from leasehold.reconcile.plan import as_json
from leasehold.reconcile.safety import CODES
from leasehold.serving import Files

OPERATE = "operate"


SETTLE_S = 10.0
"""How long an apply waits for what it asks of leases to be tried once."""


class PolicyHandlers:
    """`settle` gives what an apply asks of leases some seconds, and says if some is left."""

    def __init__(
        self,
        access: Access,
        applier: Applier,
        store: LeaseStore,
        clock: Clock,
        settle: Callable[[float], Awaitable[bool]],
    ) -> None:
        self._access = access
        self._applier = applier
        self._store = store
        self._clock = clock
        self._settle = settle

    @described(
        Field("files", Holds.PAIRS, "Files instead of the source's: name, and content in base64.")
    )
    async def plan(self, ask: Ask) -> Reply:
        """`leasehold/plan`: what an apply would do; of `files` instead of the source if given."""
        await self._access.require(ask.caller, "leasehold/plan", OPERATE)
        plan = await self._applier.plan(_files(ask.fields.pairs("files")))
        return Reply(body={"data": as_json(plan, online=True)})

    @described(
        Field("checksum", Holds.TEXT, "Of the plan that was looked at; else whatever it is now."),
        Field("allow_unsafe", Holds.TEXTS, f"Limits that may be broken: {', '.join(CODES)}."),
        refusals=(Denied, Locked, Stale, Unsafe),
    )
    async def apply(self, ask: Ask) -> Reply:
        """`leasehold/apply`: serve what the source has."""
        allowed = await self._access.require(ask.caller, "leasehold/apply", OPERATE)
        codes = ask.fields.texts("allow_unsafe")
        for code in codes:
            if code not in CODES:
                raise Invalid(f"allow_unsafe: found '{code[:40]}'; allowed are {', '.join(CODES)}")
        plan = await self._applier.apply(
            ask.caller,
            allowed.identity.name,
            checksum=ask.fields.text("checksum") or None,
            allow=codes,
        )
        waiting = await self._settle(SETTLE_S)
        generation = self._access.generation()
        changed = generation.number != plan.generation
        told = {"changed": changed, "generation": generation.number, "orders_waiting": waiting}
        return Reply(body={"data": {**told, "plan": as_json(plan, online=True)}})

    async def generations(self, ask: Ask) -> Reply:
        """`leasehold/generations`: what was applied, the newest first."""
        await self._access.require(ask.caller, "leasehold/generations", OPERATE)
        applied = [
            {
                "number": each.number,
                "digest": each.digest,
                "applied_at": rfc3339(self._clock.wall(each.applied_ms)),
                "by": each.by,
                "origin": dict(each.origin),
                "files": [name for name, _ in each.files],
            }
            for each in reversed(await history(self._store))
        ]
        return Reply(body={"data": {"generations": applied}})


def _files(pairs: list[tuple[str, str]] | None) -> Files | None:
    if pairs is None:
        return None
    try:
        return tuple((name, base64.b64decode(data, validate=True)) for name, data in pairs)
    except ValueError:  # what is no base64, or not even ASCII
        raise Invalid("files: found what is not base64; allowed are pairs [name, base64]") from None
