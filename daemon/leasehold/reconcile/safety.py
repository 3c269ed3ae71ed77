"""Whether a plan takes away too much at once (rules of `safety:`). Pure.

The limits are those of the served bundle, so that no change can loosen what it is judged by; a
first bundle is judged by its own. Numbers and percentages both hold.
"""

from collections.abc import Iterator, Sequence

from leasehold.bundle import Bundle, Safety
from leasehold.policy.decide import covers
from leasehold.reconcile.changes import NOT_ALLOWED, AccessDelta, Action, Change, Unsafe

REMOVES_EVERYTHING = "removes-everything"
PROTECTED = "protected"
MAX_DELETES = "max-deletes"
MAX_DELETE_PCT = "max-delete-pct"
MAX_UPDATES_PCT = "max-updates-pct"
MAX_LEASES_REVOKED = "max-leases-revoked"
MAX_LEASES_REVOKED_PCT = "max-leases-revoked-pct"
ACCESS_WIDENING = "access-widening"
REHEARSAL_FAILED = "rehearsal-failed"
"""Found by an apply when it proves the roles, not here."""
CODES = (
    ACCESS_WIDENING,
    MAX_DELETE_PCT,
    MAX_DELETES,
    MAX_LEASES_REVOKED,
    MAX_LEASES_REVOKED_PCT,
    MAX_UPDATES_PCT,
    PROTECTED,
    REHEARSAL_FAILED,
    REMOVES_EVERYTHING,
)
_COUNTED = ("engine:", "role:", "identity:", "static:")


def judge(
    old: Bundle | None,
    new: Bundle,
    changes: Sequence[Change],
    access: AccessDelta,
    live_leases: int,
) -> tuple[Unsafe, ...]:
    """Every limit that the changes break, sorted by code; empty for a first bundle."""
    if old is None:
        return ()
    safety = old.safety
    found = [
        *_everything(old, new),
        *_protected(safety, changes),
        *_objects(safety, old, changes),
        *_leases(safety, changes, live_leases),
        *_widening(safety, access),
    ]
    return tuple(sorted(found, key=lambda unsafe: (unsafe.code, unsafe.message)))


def _everything(old: Bundle, new: Bundle) -> Iterator[Unsafe]:
    for section in ("engines", "roles", "identities", "grants"):
        before, after = getattr(old, section), getattr(new, section)
        if before and not after:
            name = "access" if section == "grants" else section
            yield Unsafe(
                REMOVES_EVERYTHING,
                f"all {len(before)} entries of {name} would go; is the bundle whole?",
            )


def _protected(safety: Safety, changes: Sequence[Change]) -> Iterator[Unsafe]:
    for change in changes:
        if change.removes and any(covers(pattern, change.address) for pattern in safety.protected):
            yield Unsafe(PROTECTED, f"{change.address} is protected and would be removed")


def _objects(safety: Safety, old: Bundle, changes: Sequence[Change]) -> Iterator[Unsafe]:
    total = len(old.engines) + len(old.roles) + len(old.identities) + len(old.static_roles)
    counted = [change for change in changes if change.address.startswith(_COUNTED)]
    deletes = sum(change.removes for change in counted)
    updates = sum(change.action is Action.UPDATE for change in counted)
    yield from _number(MAX_DELETES, "objects removed", deletes, safety.max_deletes)
    for code, what, count, most in (
        (MAX_DELETE_PCT, "objects removed", deletes, safety.max_delete_pct),
        (MAX_UPDATES_PCT, "objects updated", updates, safety.max_updates_pct),
    ):
        yield from _percent(code, what, count, total, most, safety.min_for_pct)


def _leases(safety: Safety, changes: Sequence[Change], live: int) -> Iterator[Unsafe]:
    # An engine's leases are those of its roles, so only roles are added up.
    revoked = sum(change.leases.revoked for change in changes if change.address.startswith("role:"))
    yield from _number(MAX_LEASES_REVOKED, "leases revoked", revoked, safety.max_leases_revoked)
    yield from _percent(
        MAX_LEASES_REVOKED_PCT,
        "leases revoked",
        revoked,
        live,
        safety.max_leases_revoked_pct,
        safety.min_for_pct,
    )


def _widening(safety: Safety, access: AccessDelta) -> Iterator[Unsafe]:
    gained = [change for change in access.gained if change.after > NOT_ALLOWED]
    if gained and not safety.access_widening:
        yield Unsafe(ACCESS_WIDENING, f"{len(gained)} rights would be gained; safety allows none")


def _number(code: str, what: str, found: int, most: int | None) -> Iterator[Unsafe]:
    if most is not None and found > most:
        yield Unsafe(code, f"{found} {what}; allowed are {most}")


def _percent(
    code: str, what: str, found: int, total: int, most: int | None, floor: int
) -> Iterator[Unsafe]:
    if most is not None and total >= floor and found * 100 > most * total:
        share = found * 100 / total
        yield Unsafe(code, f"{found} of {total} {what} ({share:.0f} %); allowed are {most} %")
