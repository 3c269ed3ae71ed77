"""The verbs of a secret id: make, redeem, end; and what ends by itself.

All are in memory, found by their hashes, and each change is durable before anybody hears of it. A
use is counted before the disk has it and given back only when the disk refused it, so that whatever
crosses it, a secret id is never good for more logins than it was made for.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from leasehold.clock import Clock
from leasehold.errors import Invalid, LeaseholdError, LimitReached
from leasehold.leases.claims import Claims
from leasehold.leases.store import Document, LeaseStore
from leasehold.leases.tokens import digest
from leasehold.methods.registry import Methods
from leasehold.model import Caller, Cause, Event, EventType
from leasehold.plugin import LoginRefused, LoginUnavailable, Redeemed, SecretIdRole
from leasehold.secret import Secret
from leasehold.tokens import secret_id as life
from leasehold.tokens.secret_id import Place, SecretId

logger = logging.getLogger(__name__)

ROLE_IDS = "role-id"
MOST = 4_096
"""How many of one role there may be."""
TICK_S = 1.0
ANSWER = "invalid role or secret ID"
"""What the caller hears, whichever of the two it is: Vault's words."""
ON_THE_SOCKET = "the secret id is bound to networks, and the Unix socket is in none; log in by TLS"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretIdWish:
    """What somebody asks of a new secret id; None for what the role says."""

    ttl_s: int | None = None
    uses: int | None = None
    networks: Sequence[str] = ()
    meta: Mapping[str, str] = field(default_factory=dict)


class SecretIds:
    """Carries out the verbs for the roles of the `methods` that are served."""

    def __init__(self, store: LeaseStore, clock: Clock, methods: Methods) -> None:
        self.clock = clock
        self._store = store
        self._methods = methods
        self._claims = Claims()
        self._kept: dict[str, SecretId] = {}
        self._role_ids: dict[str, str] = {}

    async def load(self) -> None:
        """Take up what was kept. One that was damaged counts as missing."""
        found = map(life.stored, await self._store.sound_documents(life.KIND))
        self._kept = {each.hash: each for each in found}
        ids = await self._store.sound_documents(ROLE_IDS)
        self._role_ids = {each.name: (each.value or {})["role_id"] for each in ids}

    def roles(self, method: str) -> Mapping[str, SecretIdRole]:
        """The roles of a method that is served, with what holds for their secret ids."""
        return self._methods.roles(method)

    async def role_id(self, place: Place) -> str:
        """The id of a role that is served: the policy's, or one that is made when first asked."""
        given, name = self.roles(place[0])[place[1]].role_id, "/".join(place)
        async with self._claims.of(name):
            if not given and name not in self._role_ids:
                made = life.new_role_id()
                await self._store.keep([Document(ROLE_IDS, name, {"role_id": made})])
                self._role_ids[name] = made
        return given or self._role_ids[name]

    async def make(
        self, caller: Caller, place: Place, wish: SecretIdWish, grounds: Mapping[str, str]
    ) -> tuple[Secret, SecretId]:
        """A new secret id of a role that is served. Raises Invalid, LimitReached."""
        role = self.roles(place[0])[place[1]]
        ttl_s, uses = _granted(role, wish)
        if sum(each.place == place for each in self._kept.values()) >= MOST:
            raise LimitReached(f"there are {MOST} secret ids of {place[1]}; destroy some")
        text, made = life.new(
            place, self.clock.now_ms(), ttl_s, uses, networks=tuple(wish.networks), meta=wish.meta
        )
        more = {**grounds, "ttl": f"{ttl_s}s", "uses": str(uses or "any")}
        told = self._told(EventType.SECRET_ID_ISSUED, made, caller, **more)
        self._kept[made.hash] = made
        try:
            await self._store.keep([made.document()], told)
        except LeaseholdError:
            self._kept.pop(made.hash, None)
            raise
        return text, made

    def of(self, place: Place) -> Sequence[SecretId]:
        """Those of a role that may still be used, in order of accessors."""
        found = (each for each in self._kept.values() if each.place == place and self._good(each))
        return sorted(found, key=lambda each: each.accessor)

    def find(self, place: Place, text: str) -> SecretId | None:
        """The one of a role that has this text."""
        found = self._kept.get(digest(text))
        return found if found and found.place == place and self._good(found) else None

    def find_by_accessor(self, place: Place, accessor: str) -> SecretId | None:
        """The one of a role that is called so."""
        return next((each for each in self.of(place) if each.accessor == accessor), None)

    def _good(self, kept: SecretId) -> bool:
        return self.clock.now_ms() < kept.expires_ms

    async def redeem(self, caller: Caller, method: str, role_id: str, text: str) -> Redeemed:
        """Use a secret id up by one. Raises LoginRefused, LoginUnavailable."""
        roles = self.roles(method)
        ids = {
            name: it.role_id or self._role_ids.get(f"{method}/{name}", "")
            for name, it in roles.items()
        }
        place, key = (method, life.named(ids, role_id)), digest(text)
        try:
            async with self._claims.of(key):
                kept = self._kept.get(key)
                if not place[1]:
                    raise LoginRefused("no role has this role id", answer=ANSWER)
                if kept is None or kept.place != place or not self._good(kept):
                    raise LoginRefused(
                        "the role has no such secret id, or not any more", answer=ANSWER
                    )
                _check_networks(caller, kept, roles[place[1]])
                await self._use(caller, kept)
        except LeaseholdError as trouble:
            raise LoginUnavailable(str(trouble)) from None
        return Redeemed(role=kept.role, meta=kept.meta)

    async def _use(self, caller: Caller, kept: SecretId) -> None:
        used = life.use(kept, self.clock.now_ms())
        left = "any" if used.uses is None else str(used.uses)
        told = [self._told(EventType.SECRET_ID_USED, kept, caller, left=left)]
        if used.uses == 0:
            told.append(self._told(EventType.SECRET_ID_EXPIRED, kept, None, why="it is used up"))
            del self._kept[kept.hash]
        else:
            self._kept[kept.hash] = used
        try:
            await self._store.keep([used.none() if used.uses == 0 else used.document()], *told)
        except LeaseholdError:
            self._kept[kept.hash] = kept  # the disk has no use of it either
            raise

    async def end(self, its: SecretId, cause: Cause, caller: Caller | None = None) -> None:
        """End one now, durably. One that is over stays so."""
        kind = EventType.SECRET_ID_EXPIRED if cause is Cause.TTL else EventType.SECRET_ID_REVOKED
        async with self._claims.of(its.hash):
            kept = self._kept.pop(its.hash, None)
            if kept is None:
                return
            told = self._told(kind, kept, caller, cause=cause)
            try:
                await self._store.keep([kept.none()], told, may_delay_audit=True)
            except LeaseholdError:
                self._kept[kept.hash] = kept
                raise

    async def end_undelivered(self, accessor: str) -> None:
        """End the one called `accessor`, whose text nobody has."""
        for kept in [each for each in self._kept.values() if each.accessor == accessor]:
            await self.end(kept, Cause.UNDELIVERED)

    async def undelivered(self, accessor: str) -> None:
        """The same where nobody could be told of trouble (rule W8)."""
        try:
            await self.end_undelivered(accessor)
        except LeaseholdError as trouble:
            logger.error("secret id %s was not delivered and stands: %s", accessor, trouble)

    async def run(self, configured: Callable[[], Iterable[Place]]) -> None:
        """End what is over; never returns. `configured` gives the roles that the policy has."""
        while True:
            await self.sweep(configured())
            await asyncio.sleep(TICK_S)

    async def sweep(self, places: Iterable[Place]) -> None:
        """End those whose time is over, or whose role is none of `places`; later if it fails."""
        standing = set(places)
        try:
            for kept in [*self._kept.values()]:
                if kept.place not in standing:
                    await self.end(kept, Cause.CONFIG)
                elif not self._good(kept):
                    await self.end(kept, Cause.TTL)
            for name in self._role_ids.keys() - {"/".join(place) for place in standing}:
                await self._store.keep([Document(ROLE_IDS, name, None)])
                del self._role_ids[name]
        except LeaseholdError as trouble:
            logger.error("secret ids cannot be ended yet: %s", trouble)

    def _told(self, kind: EventType, kept: SecretId, caller: Caller | None, **more: str) -> Event:
        about = {"about": f"secretid:{kept.accessor}", "method": kept.method, "role": kept.role}
        return Event.new(kind, self.clock.now_ms(), None, caller=caller, **about, **more)


def _granted(role: SecretIdRole, wish: SecretIdWish) -> tuple[int, int | None]:
    """The life in seconds and the uses of a new one, None for any number. Raises Invalid."""
    ttl_s = wish.ttl_s or role.ttl_s
    if ttl_s > role.ttl_s:
        raise Invalid(f"ttl: found {ttl_s} s; the role allows {role.ttl_s} s at most")
    uses = role.uses if wish.uses is None else wish.uses
    if role.uses and not 0 < uses <= role.uses:
        raise Invalid(f"num_uses: found {uses}; the role allows 1 to {role.uses}")
    try:
        outside = life.beyond(wish.networks, role.networks)
    except ValueError as wrong:
        raise Invalid(f"cidr_list: {wrong}; allowed are networks such as 10.0.0.0/8") from None
    if outside:
        raise Invalid(f"cidr_list: {outside[0]} is not within what the role is bound to")
    return ttl_s, uses or None


def _check_networks(caller: Caller, kept: SecretId, role: SecretIdRole) -> None:
    """Raise LoginRefused unless the caller is where the role and the secret id want it to be."""
    for networks in (role.networks, tuple(map(ip_network, kept.networks))):
        if networks and caller.tls is None:
            raise LoginRefused(
                "it is bound to networks, and came by the socket", answer=ON_THE_SOCKET
            )
        if networks and caller.tls and not life.within(caller.tls.address, networks):
            raise LoginRefused("the address is in no network that it is bound to", answer=ANSWER)
