"""What a look at the accounts of every engine brought, and what of it may be removed. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from leasehold.reconcile.findings import Finding, What

REMOVABLE = (What.ORPHAN, What.RESURRECTED, What.FORCED)
"""Accounts whose tag proves that we made them, and that no live lease covers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAccounts:
    """What was counted at one engine; `trouble` says why it could not be looked at."""

    engine: str
    target: str = ""
    ours: int = 0
    foreign: int = 0
    left_out: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsReport:
    """All engines, and the findings about accounts that stand."""

    engines: tuple[EngineAccounts, ...]
    findings: tuple[Finding, ...]

    @property
    def removable(self) -> Mapping[tuple[str, str], Finding]:
        """What may be removed, by engine and account: seen just now at the server that is there."""
        looked = {(one.engine, one.target) for one in self.engines if not one.trouble}
        return {
            (finding.scope.engine, finding.sighting.account): finding
            for finding in self.findings
            if finding.what in REMOVABLE and (finding.scope.engine, finding.scope.part) in looked
        }

    @property
    def digest(self) -> str:
        """Of what may be removed, and where."""
        return digest(self.removable.values())


def digest(findings: Iterable[Finding]) -> str:
    """The same for the same accounts at the same servers, in whatever order."""
    places = sorted((its.scope.engine, its.scope.part, its.sighting.account) for its in findings)
    return hashlib.sha256(json.dumps(places).encode()).hexdigest()
