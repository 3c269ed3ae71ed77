"""What differs between the served bundle and the wanted one, object by object. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from leasehold.bundle import Bundle, OnChange, OnRemoval, Role
from leasehold.policy.durations import text
from leasehold.reconcile.changes import (
    NOT_ALLOWED,
    AccessDelta,
    Action,
    Change,
    Difference,
    LeaseImpact,
    RoleUsage,
    Usage,
    ranked,
)
from leasehold.reconcile.objects import Fields, objects, role_address

_NONE = RoleUsage(holders={})


def shortened_roles(old: Bundle, new: Bundle) -> Mapping[tuple[str, str], int]:
    """Roles that stay and get a smaller maximum: that maximum in seconds, by mount and name."""
    return {
        place: new.roles[place].max_ttl_s
        for place, role in old.roles.items()
        if place in new.roles and new.roles[place].max_ttl_s < role.max_ttl_s
    }


def diff(
    old: Bundle | None,
    new: Bundle,
    usage: Usage,
    access: AccessDelta,
    revocability: Mapping[str, str],
) -> tuple[Change, ...]:
    """Every change, sorted by address. `revocability` is that of each served engine by name."""
    before = {} if old is None else objects(old)
    after = objects(new)
    if old is None:
        for limits in ("safety", "tokens"):  # the first bundle changes none
            before[limits] = after[limits]
    differ = _Differ(old, new, usage, access, revocability)
    return tuple(
        differ.change(address, before.get(address), after.get(address))
        for address in sorted(before.keys() | after.keys())
        if before.get(address) != after.get(address)
    )


def lease_impact(
    old: Bundle | None, changes: Sequence[Change], access: AccessDelta, usage: Usage
) -> LeaseImpact:
    """What all changes together do to leases, each lease counted once."""
    by_address = {change.address: change for change in changes}
    unrenewable = _unrenewable(access)
    total = shortened = revoked = stranded = 0
    holders: Counter[str] = Counter()
    for place, used in usage.items() if old is not None else ():
        role = old.roles.get(place) if old is not None else None
        change = by_address.get(role_address(role)) if role is not None else None
        shortened += change.leases.shortened if change else 0
        revoked += change.leases.revoked if change else 0
        engine_changes = role is not None and f"engine:{role.engine}" in by_address
        for identity, count in used.holders.items():
            cut_off = (identity, place) in unrenewable
            ends_now = change is not None and change.leases.revoked > 0
            if change or engine_changes or cut_off or f"identity:{identity}" in by_address:
                total += count
                holders[identity] += count
            if not ends_now and (cut_off or (change is not None and change.leases.stranded > 0)):
                stranded += count
    return LeaseImpact(
        total=total,
        shortened=shortened,
        revoked=revoked,
        stranded=stranded,
        holders=tuple(ranked(holders)),
    )


class _Differ:
    def __init__(
        self,
        old: Bundle | None,
        new: Bundle,
        usage: Usage,
        access: AccessDelta,
        revocability: Mapping[str, str],
    ) -> None:
        self._new = new
        self._usage = usage
        self._revocability = revocability
        old_roles = {} if old is None else old.roles
        self._old = {role_address(role): (place, role) for place, role in old_roles.items()}
        self._unrenewable = _unrenewable(access)

    def change(self, address: str, before: Fields | None, after: Fields | None) -> Change:
        """The change of one object that is not the same in both."""
        differences = tuple(_differences(before or {}, after or {}))
        if before is None:
            return Change(address=address, action=Action.CREATE, differences=differences)
        kind = address.partition(":")[0]
        if after is None:
            differences = ()
        if kind == "role":
            return self._role(address, after, differences)
        if kind == "engine":
            return self._engine(address, after, differences)
        leases = self._of_identity(address) if kind == "identity" else LeaseImpact()
        if after is None:
            return Change(address=address, action=Action.DELETE, reason="removed", leases=leases)
        return Change(address=address, action=Action.UPDATE, differences=differences, leases=leases)

    def _role(
        self, address: str, after: Fields | None, differences: tuple[Difference, ...]
    ) -> Change:
        place, role = self._old[address]
        used = self._usage.get(place, _NONE)
        holders = tuple(ranked(used.holders))
        leases = LeaseImpact(total=used.total, holders=holders)
        if after is not None:
            action = Action.UPDATE
            leases, reason = self._updated(place, role, used, differences)
        elif not used.total:
            action, reason = Action.DELETE, "removed; it has no live lease"
        elif role.on_removal is OnRemoval.REVOKE:
            action, reason = Action.DELETE, "removed; on_removal: revoke ends its leases now"
            leases = LeaseImpact(total=used.total, revoked=used.total, holders=holders)
        else:
            action = Action.DRAIN
            reason = "removed; on_removal: drain lets its leases live on, none is renewed"
            leases = LeaseImpact(total=used.total, stranded=used.total, holders=holders)
        return Change(
            address=address,
            action=action,
            reason=reason,
            differences=differences,
            leases=leases,
            revocability=self._revocability.get(role.engine, ""),
        )

    def _updated(
        self, place: tuple[str, str], role: Role, used: RoleUsage, found: tuple[Difference, ...]
    ) -> tuple[LeaseImpact, str]:
        wanted = self._new.roles.get(place)
        stranded = 0
        if wanted is None or wanted.engine != role.engine:
            stranded, reason = used.total, "its path changes, so its leases cannot be renewed"
        elif used.beyond_new_max:
            when = "at once" if wanted.on_change is OnChange.ENFORCE else "at their next renewal"
            reason = f"leases older than {text(wanted.max_ttl_s)} end {when}"
        else:
            reason = "new leases only" if _touches_recipe(found) else ""
        stranded = stranded or sum(
            count
            for identity, count in used.holders.items()
            if (identity, place) in self._unrenewable
        )
        return (
            LeaseImpact(
                total=used.total,
                shortened=used.beyond_new_max,
                stranded=stranded,
                holders=tuple(ranked(used.holders)),
            ),
            reason,
        )

    def _engine(
        self, address: str, after: Fields | None, differences: tuple[Difference, ...]
    ) -> Change:
        name = address.partition(":")[2]
        holders: Counter[str] = Counter()
        for place, role in self._old.values():
            if role.engine == name:
                holders.update(self._usage.get(place, _NONE).holders)
        leases = LeaseImpact(total=holders.total(), holders=tuple(ranked(holders)))
        action, reason = Action.UPDATE, ""
        if after is None and leases.total:
            action, reason = Action.DRAIN, "removed; it stays until its last lease is gone"
        elif after is None:
            action, reason = Action.DELETE, "removed; it has no live lease"
        return Change(
            address=address,
            action=action,
            reason=reason,
            differences=differences,
            leases=leases,
            revocability=self._revocability.get(name, ""),
        )

    def _of_identity(self, address: str) -> LeaseImpact:
        name = address.partition(":")[2]
        total = sum(used.holders.get(name, 0) for used in self._usage.values())
        gone = name not in self._new.identities
        held = ((name, total),) if total else ()
        return LeaseImpact(total=total, stranded=total if gone else 0, holders=held)


def _differences(before: Fields, after: Fields) -> Iterator[Difference]:
    for field in sorted(before.keys() | after.keys()):
        old, new = before.get(field, ""), after.get(field, "")
        if old != new:
            yield Difference(field, old, new)


def _unrenewable(access: AccessDelta) -> set[tuple[str, tuple[str, str]]]:
    """Identities that may no longer renew, with the mount and name of the role."""
    found = set()
    for lost in access.lost:
        parts = lost.path.split("/")
        if lost.verb == "renew" and lost.after == NOT_ALLOWED and len(parts) == 3:
            found.add((lost.identity, (parts[0], parts[2])))
    return found


def _touches_recipe(found: tuple[Difference, ...]) -> bool:
    others = (
        "on_removal",
        "on_change",
        "share",
        "drill",
        "require",
        "annotate",
        "ready",
        "warm",
        "overlap",
        "grace",
    )
    return any(each.field.split(".")[0] not in others for each in found)
