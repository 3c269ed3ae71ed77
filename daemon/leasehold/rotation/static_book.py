"""The states of static roles, in memory as they are in the store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from leasehold.bundle import Bundle
from leasehold.clock import Clock
from leasehold.leases.store import Document, LeaseStore
from leasehold.model import Event
from leasehold.rotation.static_state import KIND, StaticState, adopted, from_document
from leasehold.standing import StaticRole


class StaticBook:
    """Reads and writes them. Each change is made to what is read within it."""

    def __init__(self, store: LeaseStore, clock: Clock, bundle: Callable[[], Bundle]) -> None:
        self._store = store
        self._clock = clock
        self._bundle = bundle
        self._states: dict[str, StaticState] = {}
        self._loaded = False
        self._loading = asyncio.Lock()
        self._writing = asyncio.Lock()

    async def state(self, role: StaticRole) -> StaticState:
        """How a role stands, from now on at least. Raises Unavailable."""
        await self._load()
        known = self._states.get(role.key)
        now_ms = self._clock.now_ms()
        state = adopted(role, now_ms) if known is None else known.fits(role, now_ms)
        if state != known:
            await self._store.keep([state.document()])
            self._states[role.key] = state
        return state

    def known(self, role: StaticRole) -> StaticState | None:
        """How a role stood when somebody last looked."""
        return self._states.get(role.key)

    async def change(
        self, role: StaticRole, change: Callable[[StaticState], StaticState], *events: Event
    ) -> StaticState:
        """Keep what `change` makes of a state, with what tells of it. Raises Unavailable."""
        async with self.changed(role, change) as document:
            await self._store.keep([document], *events)
        return self._states[role.key]

    @asynccontextmanager
    async def changed(
        self, role: StaticRole, change: Callable[[StaticState], StaticState]
    ) -> AsyncIterator[Document]:
        """What `change` makes of a state, to be written within the block; nobody else writes."""
        async with self._writing:
            state = change(await self.state(role))
            yield state.document()
            self._states[role.key] = state

    async def _load(self) -> None:
        async with self._loading:
            if self._loaded:
                return
            found = map(from_document, await self._store.documents(KIND))
            self._states = {state.key: state for state in found}
            self._loaded = True
            await self._forget()

    async def _forget(self) -> None:
        """Drop the states of roles that the policy has no more."""
        served = {role.key for role in self._bundle().static_roles.values()}
        gone = [key for key in self._states if key not in served]
        if gone:
            await self._store.keep([Document(KIND, key, None) for key in gone])
        for key in gone:
            del self._states[key]
