"""How much of each limit is used. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from leasehold.bundle import Bundle
from leasehold.quota import MAX_LEASES, Kind

Live = Mapping[Kind, Mapping[str, int]]
"""Live leases by whose they are."""
Operations = Mapping[str, frozenset[str]]
"""What each engine type offers."""


@dataclass(frozen=True, slots=True)
class Usage:
    """`used` of `most` allowed; `kind` and `name` say to whom, `what` of what (`max_leases`)."""

    kind: str
    name: str
    what: str
    used: int
    most: int

    @property
    def percent(self) -> int:
        """How full it is, rounded down; over 100 where a limit was lowered."""
        return self.used * 100 // self.most if self.most else 100


def leases_used(bundle: Bundle, live: Live, operations: Operations) -> Iterator[Usage]:
    """Every limit of live leases that the policy has."""
    for kind, name, most in _limits(bundle, operations):
        if most is not None:
            yield Usage(kind, name, MAX_LEASES, live[kind].get(name, 0), most)


def fullest_first(usages: list[Usage]) -> list[Usage]:
    """What will refuse next comes first."""
    return sorted(usages, key=lambda one: (-one.used / max(one.most, 1), one.kind, one.name))


def _limits(bundle: Bundle, operations: Operations) -> Iterator[tuple[Kind, str, int | None]]:
    for (mount, name), role in bundle.roles.items():
        for operation in operations[bundle.engines[role.engine].type]:
            yield Kind.ROLE, f"{mount}/{operation}/{name}", role.max_leases
    for mount, most in bundle.mount_limits.items():
        yield Kind.MOUNT, mount, most
    tenants = {identity.tenant for identity in bundle.identities.values()}
    for kind, names in (
        (Kind.ENGINE, bundle.engines),
        (Kind.TENANT, tenants),
        (Kind.IDENTITY, bundle.identities),
    ):
        for name in names:
            yield kind, name, bundle.quotas.of(kind, name).max_leases
