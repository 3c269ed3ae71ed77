"""Who may do what, under the generation that holds when they ask.

One place asks `recognise` and `decide`; every verb goes through it (rule I6). Unknown leases and
leases of others answer alike.
"""

from collections.abc import Callable, Sequence

from leasehold.bundle import EngineConfig, Generation, Identity, Role
from leasehold.clock import Clock
from leasehold.errors import Denied, Invalid, NotFound
from leasehold.identity.recognise import recognise
from leasehold.leases.store import LeaseStore
from leasehold.model import Caller, Event, EventType, Lease
from leasehold.policy.decide import Allowed, Decision, decide

PATH_CHARS = 256
"""How much of a caller's text an audit line takes (rule AU6)."""


class Access:
    """Decides for every verb. `generation` returns the one that is served now."""

    def __init__(
        self, generation: Callable[[], Generation], store: LeaseStore, clock: Clock
    ) -> None:
        self.generation = generation
        self._store = store
        self._clock = clock

    def identities(self, caller: Caller) -> Sequence[Identity]:
        """The identities that the caller's attested facts match."""
        return recognise(self.generation().bundle.identities, caller)

    def decide(self, caller: Caller, path: str, verb: str) -> Decision:
        """What the policy says, without leaving a trace."""
        return decide(self.generation().bundle.grants, self.identities(caller), path, verb)

    async def require(self, caller: Caller, path: str, verb: str) -> Allowed:
        """What the policy says, when it says yes. Raises Denied, which is audited."""
        decision = self.decide(caller, path, verb)
        if not isinstance(decision, Allowed):
            now_ms = self._clock.now_ms()
            denied = Event.new(
                EventType.DENIED, now_ms, caller=caller, path=path[:PATH_CHARS], verb=verb
            )
            await self._store.record(denied)
            raise Denied("permission denied")
        return decision

    def owns(self, caller: Caller, lease: Lease) -> bool:
        """Whether the lease belongs to one of the caller's identities."""
        return any(identity.name == lease.identity for identity in self.identities(caller))

    async def own_lease(self, caller: Caller, lease_id: str) -> Lease:
        """The caller's own lease. Raises NotFound."""
        lease = await self._store.get(lease_id)
        if lease is None or not self.owns(caller, lease):
            raise NotFound("lease not found")
        return lease

    async def visible_lease(self, caller: Caller, lease_id: str, verb: str) -> Lease:
        """The caller's own lease, or one that it has `verb` for. Raises NotFound."""
        lease = await self._store.get(lease_id)
        if lease is None or not (
            self.owns(caller, lease) or self.decide(caller, lease.path, verb).allowed
        ):
            raise NotFound("lease not found")
        return lease

    def role(self, mount: str, name: str) -> tuple[EngineConfig, Role]:
        """A role and its engine. Raises NotFound for the mount, Invalid for the role, as Vault."""
        bundle = self.generation().bundle
        role = bundle.roles.get((mount, name))
        if role is None:
            if all(engine.mount != mount for engine in bundle.engines.values()):
                raise NotFound(f"no engine is mounted at {mount[:PATH_CHARS]}")
            raise Invalid(f"unknown role: {name[:PATH_CHARS]}")
        return bundle.engines[role.engine], role


def longest_s(role: Role, decision: Allowed) -> int:
    """The longest a lease may live: the role's maximum, or less where the access rule says so."""
    if decision.max_ttl_s is None:
        return role.max_ttl_s
    return min(role.max_ttl_s, decision.max_ttl_s)
