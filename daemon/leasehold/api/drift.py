"""The routes about drift and orphans. For operators only."""

import uuid
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from leasehold.access import Access
from leasehold.api.described import Field, Holds, described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply
from leasehold.background import Background
from leasehold.clock import Clock, rfc3339
from leasehold.errors import Denied, EngineError, Invalid, Stale, Unsafe
from leasehold.reconcile.account_report import AccountsReport
from leasehold.reconcile.drift import Drift
from leasehold.reconcile.findings import Finding, Kind
from leasehold.reconcile.orphan_removal import OrphanRemoval
from leasehold.reconcile.safety import MAX_LEASES_REVOKED

OPERATE = "operate"
PAGE = 1_000


class DriftHandlers:
    """Keeps the last report about accounts, so that its pages belong together."""

    def __init__(
        self,
        access: Access,
        drift: Drift,
        removal: OrphanRemoval,
        clock: Clock,
        background: Background,
    ) -> None:
        self._access = access
        self._drift = drift
        self._removal = removal
        self._clock = clock
        self._background = background
        self._report = AccountsReport(engines=(), findings=())
        self._name = ""

    async def standing(self, ask: Ask) -> Reply:
        """GET `leasehold/drift`: what stood at the last look."""
        await self._access.require(ask.caller, "leasehold/drift", OPERATE)
        await self._drift.findings.load()
        return self._standing()

    @described(
        Field(
            "accept",
            Holds.TEXTS,
            "Engines whose servers are taken as they are now, before that.",
        ),
        refusals=(Denied, EngineError),
    )
    async def look(self, ask: Ask) -> Reply:
        """`leasehold/drift`: look now, after the engines in `accept` were taken as they are."""
        await self._access.require(ask.caller, "leasehold/drift", OPERATE)
        for engine in ask.fields.texts("accept"):
            await self._drift.accept(engine, ask.caller)
        await self._drift.look()
        return self._standing()

    def _standing(self) -> Reply:
        """What stands; of accounts how many, since `leasehold/orphans` tells which."""
        standing = self._drift.findings.all()
        accounts: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for each in standing:
            if each.scope.kind is Kind.LEASE:
                accounts[each.scope.engine, each.what].append(each.first_seen_ms)
        looked_ms = self._drift.looked_ms
        data = {
            "looked_at": None if looked_ms is None else self._instant(looked_ms),
            "findings": [
                {"kind": each.scope.kind, "about": each.about, **self._shown(each)}
                for each in standing
                if each.scope.kind is not Kind.LEASE
            ],
            "accounts": [
                {
                    "engine": engine,
                    "what": what,
                    "count": len(since),
                    "first_seen": self._instant(min(since)),
                }
                for (engine, what), since in accounts.items()
            ],
        }
        return Reply(body={"data": data})

    @described(
        Field("limit", Holds.COUNT, f"How many a page, {PAGE} at most."),
        Field("after", Holds.TEXT, "The `next` of the page before, without another look."),
        refusals=(Denied, Stale),
    )
    async def orphans(self, ask: Ask) -> Reply:
        """GET `leasehold/orphans`: look now; with `after`, the next page of what that brought."""
        await self._access.require(ask.caller, "leasehold/orphans", OPERATE)
        limit = ask.fields.count("limit", default=PAGE, most=PAGE)
        name, _, start = ask.fields.text("after").partition(":")
        if not name:
            async with self._drift.accounts() as report:
                self._report, self._name = report, uuid.uuid4().hex
        elif name != self._name:
            raise Stale("another report was made since; begin again, without after")
        elif not (start.isascii() and start.isdecimal()):
            raise Invalid("after: found no place in a report; allowed is the next of a page")
        return Reply(body={"data": self._page(int(start or 0), limit)})

    def _page(self, start: int, limit: int) -> Mapping[str, Any]:
        report, end = self._report, start + limit
        removable = report.removable
        return {
            "report": report.digest,
            "engines": [
                {
                    "name": one.engine,
                    "target": one.target,
                    "trouble": one.trouble,
                    "accounts": one.ours,
                    "other_deployments": one.foreign,
                    "left_out": one.left_out,
                }
                for one in report.engines
            ],
            "findings": [
                {
                    "engine": each.scope.engine,
                    "target": each.scope.part,
                    "account": each.sighting.account,
                    "lease_id": each.sighting.lease_id or None,
                    "removable": (each.scope.engine, each.sighting.account) in removable,
                    **self._shown(each),
                }
                for each in report.findings[start:end]
            ],
            "next": f"{self._name}:{end}" if end < len(report.findings) else None,
        }

    @described(
        Field("accounts", Holds.PAIRS, "All that the report calls removable: engine and account."),
        Field("report", Holds.TEXT, "The report's digest."),
        Field("allow_unsafe", Holds.TEXTS, f"{MAX_LEASES_REVOKED}, to remove more than is safe."),
        refusals=(Denied, Stale, Unsafe),
    )
    async def remove(self, ask: Ask) -> Reply:
        """`leasehold/orphans`: remove the `accounts` of the report with this digest."""
        allowed = await self._access.require(ask.caller, "leasehold/orphans", OPERATE)
        codes = ask.fields.texts("allow_unsafe")
        for code in codes:
            if code != MAX_LEASES_REVOKED:
                raise Invalid(f"allow_unsafe: found '{code[:40]}'; allowed is {MAX_LEASES_REVOKED}")
        outcomes = await self._background.finish(
            self._removal.remove(
                ask.caller,
                allowed.identity.name,
                ask.fields.pairs("accounts") or (),
                report=ask.fields.text("report"),
                allow=codes,
            )
        )
        data = {
            "removed": sum(not one.why for one in outcomes),
            "accounts": [
                {
                    "engine": one.engine,
                    "account": one.account,
                    "removed": not one.why,
                    "why": one.why,
                }
                for one in outcomes
            ],
        }
        return Reply(body={"data": data})

    def _shown(self, finding: Finding) -> Mapping[str, Any]:
        return {
            "what": finding.what,
            "why": finding.sighting.why,
            "first_seen": self._instant(finding.first_seen_ms),
            "last_seen": self._instant(finding.last_seen_ms),
            "fingerprint": finding.fingerprint,
        }

    def _instant(self, lease_ms: int) -> str:
        return rfc3339(self._clock.wall(lease_ms))
