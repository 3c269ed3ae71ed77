"""The plan: from two bundles and the live leases to all that an apply would do. Pure.

The same input gives the same plan and the same checksum, and the plan of a bundle against itself is
empty.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any

from leasehold.bundle import Bundle
from leasehold.reconcile.access_delta import access_delta
from leasehold.reconcile.changes import (
    NO_CAP,
    AccessChange,
    Action,
    Change,
    LeaseImpact,
    Plan,
    Usage,
)
from leasehold.reconcile.diff import diff, lease_impact
from leasehold.reconcile.safety import judge

FORMAT = "1.0"
NOTHING: Mapping[tuple[str, str], str] = MappingProxyType({})
_SUM_CHARS = 12


def make_plan(
    old: Bundle | None,
    new: Bundle,
    *,
    generation: int,
    usage: Usage,
    live_leases: int,
    operations: Mapping[str, frozenset[str]],
    revocability: Mapping[str, str],
    unused: Mapping[tuple[str, str], str] = NOTHING,
) -> Plan:
    """The plan to serve `new` in place of `old`, which is generation `generation`.

    `operations` has the path words by engine type, `revocability` that of each engine by name.
    `unused` says by address and field why a value is not looked at.
    """
    access = access_delta(old, new, operations)
    found = diff(old, new, usage, access, revocability)
    changes = tuple(_with_unused(change, unused) for change in found)
    return Plan(
        generation=generation,
        digest=new.digest,
        changes=changes,
        access=access,
        leases=lease_impact(old, changes, access, usage),
        live_leases=live_leases,
        unsafe=judge(old, new, changes, access, live_leases),
        checksum=_checksum(changes, new.digest, generation),
    )


def _with_unused(change: Change, unused: Mapping[tuple[str, str], str]) -> Change:
    told = [unused.get((change.address, each.field), "") for each in change.differences]
    return replace(change, reason="; ".join(filter(None, [change.reason, *told])))


def as_json(plan: Plan, *, online: bool) -> dict[str, Any]:
    """The plan as `schemas/plan.schema.json` describes it.

    One that is not made `online` knows nothing of leases, so it says nothing of them.
    """
    return {
        "format_version": FORMAT,
        "online": online,
        "generation": plan.generation,
        "digest": plan.digest,
        "empty": plan.empty,
        "applicable": not plan.unsafe,
        "checksum": plan.checksum,
        "changes": [_change(change) for change in plan.changes],
        "access_delta": {
            "gained": [_access(change) for change in plan.access.gained],
            "lost": [_access(change) for change in plan.access.lost],
        },
        "lease_impact": {"live": plan.live_leases, **_leases(plan.leases)} if online else None,
        "totals": {action.value: plan.count(action) for action in Action},
        "unsafe": [asdict(unsafe) for unsafe in plan.unsafe],
        "checks": [asdict(check) for check in plan.checks],
    }


def _change(change: Change) -> dict[str, Any]:
    return {**asdict(change), "leases": _leases(change.leases)}


def _leases(impact: LeaseImpact) -> dict[str, Any]:
    holders = [{"identity": name, "leases": count} for name, count in impact.holders]
    return {**asdict(impact), "holders": holders}


def _access(change: AccessChange) -> dict[str, Any]:
    return {
        "identity": change.identity,
        "path": change.path,
        "verb": change.verb,
        "before_s": _cap(change.before),
        "after_s": _cap(change.after),
        "before_if": list(change.before_if),
        "after_if": list(change.after_if),
    }


def _cap(longest: float) -> int | None:
    """Seconds; 0 for not allowed, None for no cap."""
    return None if longest == NO_CAP else int(longest)


def _checksum(changes: tuple[Change, ...], digest: str, generation: int) -> str:
    """Short enough for a comment; any change of either side gives another one.

    Leases are left out, and so whether a removed role still has some, since they move while people
    read.
    """
    told = [
        [change.address, change.removes, [asdict(each) for each in change.differences]]
        for change in changes
    ]
    text = json.dumps([told, digest, generation], sort_keys=True)
    digits = hashlib.sha256(text.encode()).hexdigest()[:_SUM_CHARS]
    return "-".join(digits[at : at + 4] for at in range(0, _SUM_CHARS, 4))
