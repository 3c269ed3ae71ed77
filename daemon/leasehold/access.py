"""Who may do what, under the generation that holds when they ask.

One place asks `recognise` and `decide`; every verb goes through it (rule I6). Unknown leases and
leases of others answer alike. What was decided, and on which grounds, stands in the audit under the
request's id.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType

from leasehold.bundle import EngineConfig, Generation, Identity, Role
from leasehold.clock import Clock
from leasehold.conditions import Circumstances
from leasehold.errors import Denied, Invalid, LeaseholdError, NotFound, outcome_of
from leasehold.failures import Failures
from leasehold.identity.lacking import lacking, near_processes
from leasehold.identity.recognise import recognise
from leasehold.leases.store import LeaseStore
from leasehold.model import Caller, Event, EventType, Lease
from leasehold.policy.decide import (
    TAKES_FIELDS,
    Allowed,
    Decision,
    Refused,
    covers,
    decide,
    reaches,
    requirements,
)
from leasehold.policy.misses import near_identities, near_misses

logger = logging.getLogger(__name__)

PATH_CHARS = 256
"""How much of a caller's text an audit line takes (rule AU6)."""
MOST_DENIED = 60
"""How many requests of one origin are denied, and audited, in a minute."""
NO_FIELDS: Mapping[str, str] = MappingProxyType({})
OWN = "the lease is the caller's own"
STRANGER = "the policy knows no such identity"
_NOT_OWN = "there is no such lease, or it is not the caller's"


class Access:
    """Decides for every verb. `generation` returns the one that is served now."""

    def __init__(
        self, generation: Callable[[], Generation], store: LeaseStore, clock: Clock
    ) -> None:
        self.generation = generation
        self._store = store
        self._clock = clock
        self._denied = Failures(lambda: clock.now_ms() / 1000, MOST_DENIED, "requests were denied")

    def identities(self, caller: Caller) -> Sequence[Identity]:
        """The identities that the caller's attested facts match."""
        return recognise(self.generation().bundle.identities, caller)

    def near(self, caller: Caller) -> Sequence[str]:
        """The identities that the caller nearly is, one line each, for operators."""
        identities = self.generation().bundle.identities
        return (*near_processes(identities, caller), *near_identities(identities, caller))

    def lacking(self, caller: Caller, *, everything: bool) -> Sequence[tuple[str, Sequence[str]]]:
        """The identities that the caller is not, by name, with the facts that do not agree.

        Only those of which one does agree, unless `everything` is to be told.
        """
        return lacking(self.generation().bundle.identities, caller, everything=everything)

    def names(self, caller: Caller) -> list[str]:
        """Their names, which stand for policies where Vault's clients look for such."""
        return [identity.name for identity in self.identities(caller)]

    def circumstances(self, fields: Mapping[str, str] | None = None) -> Circumstances:
        """Those of now, for a request with `fields`; see `Circumstances` for none."""
        at = None if self._clock.suspect else self._clock.wall(self._clock.now_ms())
        return Circumstances(at, fields)

    def decide(
        self, caller: Caller, path: str, verb: str, fields: Mapping[str, str] | None = None
    ) -> Decision:
        """What the policy says now, without leaving a trace."""
        bundle, now = self.generation().bundle, self.circumstances(fields)
        return decide(bundle, self.identities(caller), path, verb, now)

    def fields(self, path: str) -> frozenset[str]:
        """The fields that a request to issue at `path` may be asked for."""
        bundle = self.generation().bundle
        return frozenset(
            each.field
            for grant in bundle.grants
            if any(covers(pattern, path) for pattern in grant.paths)
            for each in requirements(bundle, grant, path, TAKES_FIELDS)
        )

    def decide_below(self, caller: Caller, prefix: str, verb: str) -> Decision:
        """What the policy says of all leases whose ids begin with `prefix`."""
        everything, *role = _paths_that_cover(prefix)
        decisions = [self.decide(caller, path, verb) for path in (*role, everything)]
        denied = (each for each in decisions if isinstance(each, Refused) and each.explicit)
        allowed = (each for each in decisions if each.allowed)
        return next(denied, None) or next(allowed, decisions[-1])

    async def require(
        self, caller: Caller, path: str, verb: str, fields: Mapping[str, str] = NO_FIELDS
    ) -> Allowed:
        """What the policy says, when it says yes.

        Raises Denied, or Invalid where only a field is missing; both are audited.
        """
        decision = self.decide(caller, path, verb, fields)
        if isinstance(decision, Refused) and decision.lacking:
            await self.denied(caller, path, verb, decision.rule, fields)
            raise Invalid(decision.lacking[0].wanted(fields))
        return await self._insist(decision, caller, path, verb)

    async def require_below(self, caller: Caller, prefix: str, verb: str) -> Allowed:
        """What the policy says of all leases below `prefix`, when it says yes. Raises Denied."""
        decision = self.decide_below(caller, prefix, verb)
        return await self._insist(decision, caller, f"{prefix}*", verb)

    async def _insist(self, decision: Decision, caller: Caller, path: str, verb: str) -> Allowed:
        if not isinstance(decision, Allowed):
            raise await self.denied(caller, path, verb, decision.rule)
        return decision

    async def denied(
        self,
        caller: Caller,
        path: str,
        verb: str,
        rule: str,
        fields: Mapping[str, str] | None = None,
    ) -> Denied:
        """The refusal to raise, after it was audited; `rule` says what it rests on.

        Raises LimitReached, see `hold_back`.
        """
        self.hold_back(caller)
        bundle, identities = self.generation().bundle, self.identities(caller)
        near = near_misses(bundle, identities, path, verb, self.circumstances(fields))
        note = "; ".join((*self.near(caller), *near))
        grounds = self.grounds(caller, path, verb, rule)
        await self.record(EventType.DENIED, caller, {**grounds, "note": note})
        return Denied("permission denied")

    def hold_back(self, caller: Caller) -> None:
        """Count a refusal that is about to be audited, since whoever connects can cause them.

        Raises LimitReached when the caller's origin had too many; nothing is to be audited then.
        """
        self._denied.check(caller.origin)
        self._denied.failed(caller.origin)

    def reaches(self, caller: Caller, prefix: str) -> bool:
        """Whether the policy allows the caller anything below `prefix`, which ends with `/`."""
        return reaches(self.generation().bundle.grants, self.identities(caller), prefix)

    def grounds(self, caller: Caller, path: str, verb: str, rule: str) -> Mapping[str, str]:
        """What the audit keeps of a decision made just now: who asked for what, and the rule."""
        generation = self.generation()
        return {
            "path": path[:PATH_CHARS],
            "verb": verb,
            "identities": ",".join(identity.name for identity in self.identities(caller)),
            "rule": rule,
            "generation": str(generation.number),
            "digest": generation.bundle.digest,
        }

    @asynccontextmanager
    async def telling(
        self,
        caller: Caller,
        grounds: Mapping[str, str],
        *kinds: type[LeaseholdError],
        lease: Lease | None = None,
    ) -> AsyncIterator[None]:
        """Audit why a request that the policy allows fails within, having changed nothing.

        With `kinds`, only failures of these.
        """
        try:
            yield
        except LeaseholdError as why:
            if kinds and not isinstance(why, kinds):
                raise
            told = {**grounds, **outcome_of(why), "why": str(why)}
            await self._try_to_record(EventType.NO_EFFECT, caller, told, lease)
            raise

    async def record(
        self, kind: EventType, caller: Caller, told: Mapping[str, str], lease: Lease | None = None
    ) -> None:
        """Audit what was decided, on the grounds `told`. Raises Unavailable."""
        now_ms = self._clock.now_ms()
        await self._store.record(Event.new(kind, now_ms, lease, caller=caller, **told))

    async def _try_to_record(
        self,
        kind: EventType,
        caller: Caller,
        told: Mapping[str, str],
        lease: Lease | None = None,
    ) -> None:
        """For what is refused anyway, with an answer of its own."""
        try:
            await self.record(kind, caller, told, lease)
        except LeaseholdError as trouble:
            logger.error("not audited: %s: %s", kind, trouble)

    def owns(self, caller: Caller, lease: Lease) -> bool:
        """Whether the lease belongs to one of the caller's identities."""
        return any(identity.name == lease.identity for identity in self.identities(caller))

    async def own_lease(self, caller: Caller, lease_id: str, verb: str) -> Lease:
        """The caller's own lease, which it wants to do `verb` to. Raises NotFound."""
        lease = await self._store.get(lease_id)
        if lease is None or not self.owns(caller, lease):
            raise await self._not_found(caller, lease_id, verb, lease)
        return lease

    async def visible_lease(self, caller: Caller, lease_id: str, verb: str) -> Lease:
        """The caller's own lease, or one that it has `verb` for. Raises NotFound."""
        lease = await self._store.get(lease_id)
        if lease is None or not (
            self.owns(caller, lease) or self.decide(caller, lease.path, verb).allowed
        ):
            raise await self._not_found(caller, lease_id, verb, lease)
        return lease

    async def _not_found(
        self, caller: Caller, lease_id: str, verb: str, lease: Lease | None
    ) -> NotFound:
        """Audit that a lease is not the caller's; the answer does not tell it from no lease."""
        self.hold_back(caller)
        note = "there is no such lease" if lease is None else f"the lease is {lease.identity}'s"
        grounds = self.grounds(caller, lease_id, verb, _NOT_OWN)
        await self._try_to_record(EventType.DENIED, caller, {**grounds, "note": note})
        return NotFound("lease not found")

    def role(self, mount: str, name: str) -> tuple[EngineConfig, Role]:
        """A role and its engine. Raises NotFound for the mount, Invalid for the role, as Vault."""
        bundle = self.generation().bundle
        role = bundle.roles.get((mount, name))
        if role is None:
            if all(engine.mount != mount for engine in bundle.engines.values()):
                raise NotFound(f"no engine is mounted at {mount[:PATH_CHARS]}")
            raise Invalid(f"unknown role: {name[:PATH_CHARS]}")
        return bundle.engines[role.engine], role


def _paths_that_cover(prefix: str) -> list[str]:
    """What one must be allowed to reach every lease whose id begins so.

    That is everything that begins so, or the one role that `prefix` names in full: a rule for
    `database/creds/app` says nothing of `database/creds/app-admin`.
    """
    mount, *more = prefix.split("/")
    role = ["/".join((mount, *more[:2]))] if len(more) > 2 else []
    return [f"{prefix}*", *role]
