"""What can be seen: leases, the daemon's state, the engines'. Changes nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from leasehold.access import Access
from leasehold.clock import Clock
from leasehold.engines.registry import Engines, EngineStatus
from leasehold.errors import NotFound
from leasehold.leases.hold import Hold
from leasehold.leases.store import Counts, LeaseStore
from leasehold.model import Caller, Lease, LeaseState


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How the daemon fares. `degraded` says in one line each what keeps it from being well.

    `quarantine` is why its store is thought to be an older one, empty when it is not.
    """

    deployment: str
    generation: int
    policy_digest: str
    counts: Counts
    events_waiting: int
    clock_suspect: bool
    quarantine: str
    degraded: tuple[str, ...]


class Inspection:
    """Answers callers who look. `troubles` returns what degrades the daemon besides leases."""

    def __init__(
        self,
        *,
        access: Access,
        store: LeaseStore,
        engines: Engines,
        clock: Clock,
        troubles: Callable[[], Sequence[str]],
        hold: Hold | None = None,
    ) -> None:
        self.clock = clock
        self._access = access
        self._store = store
        self._engines = engines
        self._troubles = troubles
        self._hold = hold or Hold()

    async def lookup(self, caller: Caller, lease_id: str) -> Lease:
        """One lease, the caller's own or one it may list. Raises NotFound."""
        return await self._access.visible_lease(caller, lease_id, "list")

    def renewable(self, lease: Lease) -> bool:
        """Whether leases of this one's engine can be renewed, under the served policy."""
        try:
            return self._engines.current(lease.engine).renewable
        except NotFound:
            return False

    async def leases(
        self,
        caller: Caller,
        *,
        prefix: str = "",
        states: Sequence[LeaseState] | None = None,
        after: str = "",
        limit: int = 500,
    ) -> list[Lease]:
        """Leases below `prefix` in order of ids: the caller's own, or all where it may list."""
        return await self._store.find(
            prefix=prefix,
            identities=self._whose(caller, prefix),
            states=states,
            after=after,
            limit=limit,
        )

    async def lease_ids(
        self, caller: Caller, *, prefix: str, states: Sequence[LeaseState], limit: int
    ) -> list[str]:
        """The ids of those leases only, which are many times as fast to be had."""
        return await self._store.ids(
            prefix=prefix, identities=self._whose(caller, prefix), states=states, limit=limit
        )

    async def irrevocable(self, caller: Caller, limit: int) -> list[Lease]:
        """Leases that are overdue or quarantined, the oldest deadline first.

        The caller's own, or all where it may list everything; so below, too.
        """
        return await self._store.irrevocable(self._whose(caller, ""), limit)

    async def irrevocable_by_mount(self, caller: Caller) -> Mapping[str, int]:
        """How many leases are overdue or quarantined on each mount that has any."""
        return await self._store.irrevocable_by_mount(self._whose(caller, ""))

    def _whose(self, caller: Caller, prefix: str) -> list[str] | None:
        """The identities whose leases below `prefix` the caller sees; None for everybody's."""
        if self._access.decide_below(caller, prefix, "list").allowed:
            return None
        return [identity.name for identity in self._access.identities(caller)]

    async def status(self, caller: Caller) -> Status:
        """How the daemon fares, for callers with the verb `operate`. Raises Denied."""
        await self._access.require(caller, "leasehold/status", "operate")
        return await self.measure()

    async def measure(self) -> Status:
        """How the daemon fares; who asks was decided on before."""
        generation = self._access.generation()
        counts = await self._store.counts()
        return Status(
            deployment=self._store.deployment_id,
            generation=generation.number,
            policy_digest=generation.bundle.digest,
            counts=counts,
            events_waiting=await self._store.outbox_size(),
            clock_suspect=self.clock.suspect,
            quarantine=self._hold.why,
            degraded=(*_about(counts, clock_suspect=self.clock.suspect), *self._troubles()),
        )

    async def engines(self, caller: Caller) -> Sequence[EngineStatus]:
        """The configured engines and how they fare, for the verb `operate`. Raises Denied."""
        await self._access.require(caller, "leasehold/engines", "operate")
        return self.engine_statuses()

    def engine_statuses(self) -> Sequence[EngineStatus]:
        """The same; who asks was decided on before."""
        return self._engines.statuses()


def _about(counts: Counts, *, clock_suspect: bool) -> list[str]:
    lines = []
    if counts.overdue:
        lines.append(f"overdue: {counts.overdue} accounts may stand past the end of their lease")
    if counts.quarantined:
        lines.append(f"quarantined: {counts.quarantined} leases failed to end more than ten times")
    if counts.damaged:
        lines.append(f"damaged: {counts.damaged} rows of the store do not verify; see the log")
    if clock_suspect:
        lines.append("the wall clock stepped: nothing is issued until it has settled")
    return lines
