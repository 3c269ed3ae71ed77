"""What a role says of how its credentials are handed out. Pure."""

from collections.abc import Mapping
from typing import Any

from leasehold.bundle import EngineType
from leasehold.handing import Ready
from leasehold.policy.draft import Draft
from leasehold.policy.durations import seconds, text
from leasehold.policy.problems import Path

MOST_READY_S = 40
"""A request is answered within a minute, and the account has to be made and taken away too."""


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
