"""What the audit says last of each lease: what a store was that is not there any more. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from leasehold.events.audit_line import MADE, Line, time_of
from leasehold.model import Cause, EventType, LeaseState

MOVES = frozenset(
    {
        EventType.INTENDED,
        EventType.WARMED,
        EventType.ISSUED,
        EventType.ADOPTED,
        EventType.RENEWED,
        EventType.SHORTENED,
        EventType.REPLACED,
        EventType.EXPIRING,
        EventType.ISSUE_FAILED,
        EventType.REVOKING,
        EventType.ATTEMPT_FAILED,
        EventType.DISABLED,
        EventType.REVOKED,
        EventType.EXPIRED,
        EventType.FORCED,
    }
)
"""Events whose lines stand in the order in which leases changed; others may ride along later."""


@dataclass(slots=True)
class Told:
    """What the lines on a lease come to; the instants are lease time.

    `made` is what the line of its issue has besides, None when that line was not among them;
    `issued_ms` is that line's time.
    """

    lease_id: str
    account: str
    identity: str
    state: LeaseState
    expires_ms: int
    cause: Cause | None
    target: str
    replaced_by: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    made: Line | None = None
    issued_ms: int = 0


def replay(lines: Iterable[Line], lease_ms: Callable[[str], int]) -> dict[str, Told]:
    """The last word on each lease of `lines`, which come the newest first.

    `lease_ms` turns an instant as lines bear it into lease time.
    """
    found: dict[str, Told] = {}
    for line in lines:
        if "lease" not in line or line["event"] not in MOVES:
            continue
        told = found.get(line["lease"])
        if told is None:
            told = found[line["lease"]] = _told(line, lease_ms)
        if told.made is None and line["event"] in MADE:
            told.made = line.get("made", {})
            told.issued_ms = lease_ms(told.made.get("issued") or time_of(line))
            told.target = told.target or _target(line)
    return found


def _told(line: Line, lease_ms: Callable[[str], int]) -> Told:
    return Told(
        lease_id=line["lease"],
        account=line["account"],
        identity=line["identity"],
        state=LeaseState(line["state"]),
        expires_ms=lease_ms(line["expires"]),
        cause=Cause(line["cause"]) if "cause" in line else None,
        target=_target(line),
        replaced_by=line.get("replaced_by", ""),
        labels=line.get("labels", {}),
    )


def _target(line: Line) -> str:
    named = line.get("made", {}).get("target") or line.get("detail", {}).get("target", "")
    return str(named)
