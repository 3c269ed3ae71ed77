"""What an incident hits, before; and what it came to, during and after. As JSON, kept as evidence.

Everything is read from the leases themselves, so that no crash can leave a wrong figure.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from leasehold.clock import Clock, rfc3339
from leasehold.engines.registry import Engines
from leasehold.leases import lifecycle
from leasehold.leases.matching import Fate, Holding, Match, MatchedLeases
from leasehold.model import Lease
from leasehold.plugin import Revocability
from leasehold.reconcile.incident import Incident

FAILED_SHOWN = 1_000
"""How many leases that cannot be ended are named; all are counted."""
_LASTS = (Revocability.EXPIRY_ONLY, Revocability.SHARED)
"""Where revoking a lease does not make its credential useless."""

At = Callable[[int], str]
"""An instant of lease time as text."""


class IncidentReports:
    """Makes previews and reports. Every method raises Unavailable."""

    def __init__(self, store: MatchedLeases, engines: Engines, clock: Clock) -> None:
        self._store = store
        self._engines = engines
        self._clock = clock

    async def preview(self, match: Match) -> dict[str, Any]:
        """What ending the leases that match would do: how many, whose, what cannot be ended."""
        holdings = await self._store.holdings(match)
        by_engine: defaultdict[tuple[str, str], list[Holding]] = defaultdict(list)
        for holding in holdings:
            by_engine[holding.engine, holding.engine_type].append(holding)
        return {
            "leases": sum(holding.leases for holding in holdings),
            "engines": [self._engine(*engine, its) for engine, its in by_engine.items()],
            "holders": [
                {
                    "identity": holding.identity,
                    "owner": holding.owner,
                    "tenant": holding.tenant,
                    "path": holding.path,
                    "leases": holding.leases,
                }
                for holding in holdings
            ],
        }

    def _engine(self, name: str, kind: str, holdings: Sequence[Holding]) -> dict[str, Any]:
        revocability = self._engines.revocability(kind)
        lasts = revocability in _LASTS
        return {
            "engine": name,
            "type": kind,
            "revocability": revocability or "unknown",
            "leases": sum(holding.leases for holding in holdings),
            "cannot_be_revoked": lasts,
            "until": self._at(max(each.until_ms for each in holdings)) if lasts else None,
        }

    async def report(self, incident: Incident) -> dict[str, Any]:
        """How the leases of an incident have fared until now."""
        match, at_ms, since_ms = incident.match, incident.at_ms, incident.since_ms
        now_ms = self._clock.now_ms()
        fates = await self._store.fates(match, at_ms, since_ms, now_ms)
        spans_ms: Sequence[int] = ()
        failed: list[Lease] = []
        if incident.revoke_ms is not None:
            spans_ms = await self._store.spans_ms(match, at_ms, since_ms)
            if any(fate.failing or fate.disabled for fate in fates):
                failed = await self._store.longest(match, at_ms, lifecycle.ENDING, FAILED_SHOWN)
        lasting = [fate for fate in fates if self._lasts(fate) and fate.unexpired]
        return {
            "at": self._at(now_ms),
            "total": sum(fate.total for fate in fates),
            "revoked": sum(fate.revoked for fate in fates),
            "forced": sum(fate.forced for fate in fates),
            "disabled": sum(fate.disabled for fate in fates),
            "failing": sum(fate.failing for fate in fates),
            "untold": sum(fate.untold for fate in fates),
            "alive": sum(fate.unexpired for fate in lasting),
            "seconds": {
                "p50": _share(spans_ms, 50),
                "p99": _share(spans_ms, 99),
                "all": _share(spans_ms, 100),
            },
            "engines": [
                {
                    "engine": fate.engine,
                    "type": fate.engine_type,
                    "revocability": self._engines.revocability(fate.engine_type) or "unknown",
                    "total": fate.total,
                    "revoked": fate.revoked,
                    "disabled": fate.disabled,
                    "failing": fate.failing,
                    "alive": fate.unexpired if self._lasts(fate) else 0,
                    "alive_until": self._at(fate.until_ms) if fate in lasting else None,
                }
                for fate in fates
            ],
            "failed": [self._failed(lease) for lease in failed if _did_fail(lease)],
        }

    def _lasts(self, fate: Fate) -> bool:
        return self._engines.revocability(fate.engine_type) in _LASTS

    def _failed(self, lease: Lease) -> dict[str, Any]:
        own_end_ms = (lease.renewed_ms or lease.issued_ms) + lease.ttl_ms
        return {
            "lease_id": lease.id,
            "account": lease.account,
            "engine": lease.engine,
            "identity": lease.identity,
            "state": lease.state,
            "attempts": lease.attempts,
            "why": lease.last_error,
            "until": self._at(own_end_ms),
        }

    def _at(self, at_ms: int) -> str:
        return rfc3339(self._clock.wall(at_ms))


def _did_fail(lease: Lease) -> bool:
    """Whether an attempt failed; a second look that is due is none."""
    return lease.last_error != "" and not lifecycle.looks_again(lease)


def _share(spans_ms: Sequence[int], percent: int) -> float | None:
    """The seconds within which `percent` of the spans, which are sorted, were over."""
    if not spans_ms:
        return None
    return spans_ms[-(-len(spans_ms) * percent // 100) - 1] / 1000
