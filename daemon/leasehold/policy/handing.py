"""What a role says of how its credentials are handed out. Pure."""

from collections.abc import Mapping
from typing import Any

from leasehold.bundle import EngineType
from leasehold.handing import Ready, Succession, WarmPool
from leasehold.policy.draft import Draft
from leasehold.policy.durations import seconds, text
from leasehold.policy.limits import Limits
from leasehold.policy.problems import Path

MOST_READY_S = 40
"""A request is answered within a minute, and the account has to be made and taken away too."""

LEAST_KEPT_S = 60


def ready(draft: Draft, path: Path, role: Mapping[str, Any], kind: EngineType) -> Ready | None:
    """What a credential must pass before it is handed out."""
    if "ready" not in role:
        return None
    if not kind.logs_in:
        draft.fault(
            (*path, "ready"),
            f"engines of type {kind.name} cannot try a credential; take out ready",
            key=True,
        )
    within_s = seconds(role["ready"]["within"])
    if within_s > MOST_READY_S:
        allowed = text(MOST_READY_S)
        draft.fault(
            (*path, "ready", "within"),
            f"found {text(within_s)}; allowed is at most {allowed}, since a caller waits for it",
        )
    return Ready(role["ready"].get("successes", 1), within_s)


def warm(draft: Draft, path: Path, role: Mapping[str, Any], limits: Limits) -> WarmPool | None:
    """How many accounts are made ahead, and for how long."""
    if "warm" not in role:
        return None
    accounts = role["warm"]["accounts"]
    kept_s = seconds(role["warm"].get("kept", max(limits.default_ttl_s, LEAST_KEPT_S)))
    if kept_s < LEAST_KEPT_S:
        draft.fault(
            (*path, "warm", "kept"),
            f"found {text(kept_s)}; allowed is at least {text(LEAST_KEPT_S)}, or accounts are made"
            " for nobody without end",
        )
    if limits.max_leases is not None and accounts > limits.max_leases:
        draft.fault(
            (*path, "warm", "accounts"),
            f"found {accounts}; max_leases of the role is {limits.max_leases}, and those that wait"
            " count too",
        )
    return WarmPool(accounts, kept_s)


def succession(
    draft: Draft, path: Path, role: Mapping[str, Any], limits: Limits
) -> Succession | None:
    """How a lease is replaced before its end; `grace` is as long as `overlap` if nobody says."""
    if "overlap" not in role:
        if "grace" in role:
            draft.fault((*path, "grace"), "has no effect without overlap; add that", key=True)
        return None
    overlap_s = seconds(role["overlap"])
    found = Succession(overlap_s, seconds(role.get("grace", overlap_s)))
    for key, span_s in (("overlap", found.overlap_s), ("grace", found.grace_s)):
        if key in role and span_s >= limits.default_ttl_s:
            draft.fault(
                (*path, key),
                f"found {text(span_s)}; allowed is less than default_ttl"
                f" ({text(limits.default_ttl_s)}), or a lease could always be replaced",
            )
    return found
