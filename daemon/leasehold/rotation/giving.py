"""Giving static credentials out: who may, what is told of it, and who uses the newest.

Unlike a lease a static credential is shared: whoever may issue at its path gets the same one, until
the next rotation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from leasehold.access import Access
from leasehold.clock import Clock
from leasehold.errors import Invalid, NotFound, Unavailable
from leasehold.kept import KeptPasswords
from leasehold.leases.freeze import Freeze
from leasehold.leases.store import LeaseStore
from leasehold.model import Caller, Event, EventType
from leasehold.policy.decide import STATIC_CREDS
from leasehold.rotation.static_book import StaticBook
from leasehold.rotation.static_state import StaticState
from leasehold.rotation.static_times import StaticTimes
from leasehold.secret import Secret
from leasehold.standing import StaticRole


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticCredential:
    """What is given out: `password` of `username` since `rotated_ms`, until `next_ms` if known."""

    role: StaticRole
    username: str
    password: Secret
    rotated_ms: int
    next_ms: int | None


class StaticGiving:
    """Gives out. `wake` is called when something that lived on may end."""

    def __init__(
        self,
        *,
        access: Access,
        kept: KeptPasswords,
        store: LeaseStore,
        freeze: Freeze,
        book: StaticBook,
        times: StaticTimes,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._access = access
        self._kept = kept
        self._store = store
        self._freeze = freeze
        self._book = book
        self._times = times
        self._clock = clock
        self._wake = wake

    async def read(self, caller: Caller, mount: str, name: str) -> StaticCredential:
        """What is given out now. Raises Denied, NotFound, Frozen, Invalid, Unavailable."""
        path = f"{mount}/{STATIC_CREDS}/{name}"
        decision = await self._access.require(caller, path, "issue")
        grounds = self._access.grounds(caller, path, "issue", decision.rule)
        who = decision.identity
        async with self._access.telling(caller, grounds):
            role = static_role(self._access, mount, name)
            state = await self._book.state(role)
            self._freeze.check(
                {
                    "tenant": who.tenant,
                    "owner": who.owner,
                    "identity": who.name,
                    "engine": role.engine,
                    "role": path,
                    "account": state.active,
                }
            )
            credential = self._credential(role, state)
            told = self._event(EventType.STATIC_READ, path, caller, {**grounds, "by": who.name})
            if state.readers.get(who.name) == state.version:
                await self._store.record(told)
            else:
                await self._book.change(role, lambda now: now.read(who.name), told)
        return credential

    def _credential(self, role: StaticRole, state: StaticState) -> StaticCredential:
        kept = self._kept.get(role.engine, state.active)
        next_ms = self._times.next_ms(role, state)
        if kept is not None and kept.candidate is not None:
            raise Unavailable(f"the password of {role.key} is changing just now; try again")
        if kept is None or kept.password is None or kept.rotated_ms is None:
            when = "" if next_ms is None else f", at {self._clock.wall(next_ms):%F %R} UTC"
            raise Invalid(
                f"the password of {role.key} is known from its first rotation on{when};"
                " an operator can make it now"
            )
        return StaticCredential(
            role=role,
            username=state.active,
            password=kept.password,
            rotated_ms=kept.rotated_ms,
            next_ms=next_ms,
        )

    async def acknowledge(self, caller: Caller, mount: str, name: str) -> StaticState:
        """The caller uses what is given out now; what lived on for it may end.

        Raises Denied, NotFound, Unavailable.
        """
        path = f"{mount}/{STATIC_CREDS}/{name}"
        decision = await self._access.require(caller, path, "issue")
        role, who = static_role(self._access, mount, name), decision.identity.name
        told = {"by": who, "rule": decision.rule}
        event = self._event(EventType.STATIC_ACKNOWLEDGED, path, caller, told)
        state = await self._book.change(role, lambda now: now.acknowledges(who), event)
        if state.may_retire:
            self._wake()
        return state

    def _event(self, kind: EventType, path: str, caller: Caller, told: Mapping[str, str]) -> Event:
        return Event.new(kind, self._clock.now_ms(), None, caller=caller, about=path, **told)


def static_role(access: Access, mount: str, name: str) -> StaticRole:
    """A served static role. Raises NotFound."""
    role = access.generation().bundle.static_roles.get((mount, name))
    if role is None:
        raise NotFound(f"no static role {name[:64]} is on the mount {mount[:64]}")
    return role
