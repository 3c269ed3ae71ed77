"""Events that have a static role rotated at once, read from what the store says of them.

So an event counts however long the daemon was away, and once.
"""

from collections.abc import Callable, Iterator, Mapping

from leasehold.bundle import Bundle
from leasehold.kept import KeptPasswords
from leasehold.leases.store import LeaseStore
from leasehold.policy.decide import STATIC_CREDS
from leasehold.reconcile.incident import KIND, from_document
from leasehold.reconcile.sealing import unsealed_ms
from leasehold.rotation.static_state import StaticState
from leasehold.standing import On, StaticRole


class Causes:
    """Looks for them."""

    def __init__(
        self, store: LeaseStore, kept: KeptPasswords, bundle: Callable[[], Bundle]
    ) -> None:
        self._store = store
        self._kept = kept
        self._bundle = bundle

    async def hold(self, role: StaticRole, state: StaticState) -> bool:
        """Whether something happened since the last rotation, for which there is to be another."""
        on = role.schedule.on
        if state.asked_ms is not None:
            return False  # it is on its way
        if On.ROOT_ROTATED in on and self._root_ms(role) > state.last_ms:
            return True
        if On.DAEMON_UNSEALED in on and await unsealed_ms(self._store) > state.last_ms:
            return True
        return On.INCIDENT_OPENED in on and await self._incident(role, state)

    def _root_ms(self, role: StaticRole) -> int:
        return max(
            (
                each.rotated_ms or 0
                for each in self._kept.administrators()
                if each.engine == role.engine
            ),
            default=0,
        )

    async def _incident(self, role: StaticRole, state: StaticState) -> bool:
        incidents = map(from_document, await self._store.documents(KIND))
        since = [each for each in incidents if each.at_ms > state.last_ms]
        return any(
            each.match.covers(facts)
            for each in since
            for facts in (self._facts(role, state) if since else ())
        )

    def _facts(self, role: StaticRole, state: StaticState) -> Iterator[Mapping[str, str]]:
        """What an incident may name: the role and its accounts, with everybody who has read it."""
        bundle = self._bundle()
        path = f"{bundle.engines[role.engine].mount}/{STATIC_CREDS}/{role.name}"
        readers = [bundle.identities[name] for name in state.readers if name in bundle.identities]
        for account in role.accounts:
            place = {"engine": role.engine, "role": path, "account": account}
            yield place
            for who in readers:
                yield {**place, "tenant": who.tenant, "owner": who.owner, "identity": who.name}
