"""Static roles: passwords of accounts that stand, changed in time, by word, and on events.

Two accounts that take turns let a password live on for a while after the next one is given out.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from leasehold.access import Access
from leasehold.background import Background
from leasehold.bundle import PasswordPolicy
from leasehold.clock import Clock
from leasehold.engines.registry import Engines
from leasehold.errors import Conflict, EngineError
from leasehold.kept import Kept, KeptPasswords
from leasehold.model import Caller, Event, EventType
from leasehold.plugin import make_password
from leasehold.policy.decide import STATIC_CREDS
from leasehold.rotation.causes import Causes
from leasehold.rotation.giving import static_role
from leasehold.rotation.static_book import StaticBook
from leasehold.rotation.static_state import StaticState
from leasehold.rotation.static_times import StaticTimes
from leasehold.rotation.turning import Turn, Turning
from leasehold.secret import Secret
from leasehold.standing import NEAR_S, StaticRole

logger = logging.getLogger(__name__)

OPERATE = "operate"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticStanding:
    """How a static role on `mount` stands. `kept` has what is known of each account's password."""

    mount: str
    role: StaticRole
    state: StaticState
    kept: Mapping[str, Kept]
    next_ms: int | None


class StaticRotation:
    """Rotates."""

    def __init__(
        self,
        *,
        access: Access,
        kept: KeptPasswords,
        engines: Engines,
        book: StaticBook,
        times: StaticTimes,
        causes: Causes,
        turning: Turning,
        clock: Clock,
        background: Background,
    ) -> None:
        self._access = access
        self._kept = kept
        self._engines = engines
        self._book = book
        self._times = times
        self._causes = causes
        self._turning = turning
        self._clock = clock
        self._background = background
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def rotate(self, caller: Caller, mount: str, name: str, *, force: bool) -> None:
        """Rotate now; with `force` although the last password is to live on, which then ends.

        Raises Denied, NotFound, Conflict (a predecessor lives on), EngineError, Unavailable.
        """
        decision = await self._access.require(caller, f"{mount}/rotate-role/{name}", OPERATE)
        role = static_role(self._access, mount, name)
        told = {"by": decision.identity.name, "rule": decision.rule}
        if not force:
            await self._check_spacing(role)
        await self._background.finish(self._rotate(mount, role, caller, told, urgent=force))

    async def _check_spacing(self, role: StaticRole) -> None:
        state = await self._book.state(role)
        if state.predecessor and not state.may_retire:
            until = ""
            if state.retire_ms is not None:
                until = f", until {self._clock.wall(state.retire_ms):%F %R} UTC at the latest"
            waiting = f" for {', '.join(state.waiting_for)}" if state.waiting_for else ""
            raise Conflict(
                f"{state.predecessor} lives on{waiting}{until}; wait for that, or force the"
                " rotation, which ends it"
            )

    async def _rotate(
        self,
        mount: str,
        role: StaticRole,
        caller: Caller | None = None,
        told: Mapping[str, str] | None = None,
        *,
        urgent: bool = False,
        if_due: bool = False,
    ) -> None:
        async with self._locks[role.key]:
            state = await self._book.state(role)
            if if_due and not self._times.rotation_is_due(role, state):
                return  # somebody else was at it meanwhile
            account = self._times.account(role, state)

            def after(now: StaticState, at_ms: int) -> StaticState:
                # What is asked for by an event is urgent; what the adoption asks for is not.
                hurried = urgent or (now.asked_ms is not None and now.rotated_ms is not None)
                return now.rotated(role, account, at_ms, urgent=hurried)

            await self._turn(mount, role, account, EventType.STATIC_ROTATED, after, caller, told)
        logger.info("static role %s: the password of %s was rotated", role.key, account)

    async def _retire(self, mount: str, role: StaticRole) -> None:
        """Have nobody log in any more with what lived on."""
        async with self._locks[role.key]:
            state = await self._book.state(role)
            if self._times.retirement_is_due(role, state):
                account, done = state.predecessor, EventType.STATIC_RETIRED
                await self._turn(mount, role, account, done, lambda now, _: now.retired())

    async def _turn(
        self,
        mount: str,
        role: StaticRole,
        account: str,
        done: EventType,
        after: Callable[[StaticState, int], StaticState],
        caller: Caller | None = None,
        told: Mapping[str, str] | None = None,
    ) -> None:
        engine, now_ms = self._engines.current(role.engine), self._clock.now_ms()
        kept = self._kept.get(role.engine, account)
        if kept is None:
            kept = Kept(engine=role.engine, account=account, since_ms=now_ms)

        chosen = role.password_policy != PasswordPolicy()
        policy = role.password_policy if chosen else engine.standing_passwords

        async def send(password: Secret, _: bool) -> None:
            await engine.rotate_static(account, password)

        async def old_opens() -> bool:
            if kept.password is None:
                return True  # nobody was given it
            try:
                return await engine.login({"username": account, "password": kept.password})
            except EngineError:
                return False

        async def commit(proved: Kept, event: Event) -> None:
            at_ms = proved.rotated_ms or now_ms
            async with self._book.changed(role, lambda now: after(now, at_ms)) as state:
                await self._kept.keep(proved, event, documents=[state], may_delay_audit=True)

        await self._turning.attempt(
            kept,
            Turn(
                send=send,
                old_opens=old_opens,
                make=lambda: Secret(make_password(policy)),
                settle_ms=int(engine.statement_timeout_s * 2_000),
                done=done,
                about=f"{mount}/{STATIC_CREDS}/{role.name}",
                caller=caller,
                told=dict(told or {}),
                commit=commit,
            ),
        )

    # When.

    async def reckon(self) -> dict[str, int]:
        """When each is due, of those that ever are; what is new is adopted."""
        due = {}
        for role in self._roles().values():
            state = await self._book.state(role)
            if await self._causes.hold(role, state):
                state = await self._book.change(role, lambda now: now.asked(self._clock.now_ms()))
            times = (self._times.next_ms(role, state), self._times.retire_ms(role, state))
            found = [at_ms for at_ms in times if at_ms is not None]
            if found:
                due[role.key] = min(found)
        return due

    async def when_due(self, name: str) -> None:
        """Rotate, or end what lived on, if that is due."""
        for (mount, _), role in self._roles().items():
            if role.key != name:
                continue
            state = await self._book.state(role)
            if self._times.retirement_is_due(role, state):
                await self._background.finish(self._retire(mount, role))
            elif self._times.rotation_is_due(role, state):
                await self._background.finish(self._rotate(mount, role, if_due=True))

    # What can be seen.

    async def standings(self) -> list[StaticStanding]:
        """How each stands, by path."""
        found = []
        for (mount, _), role in sorted(self._roles().items()):
            state = await self._book.state(role)
            kept = {name: self._kept.get(role.engine, name) for name in role.accounts}
            found.append(
                StaticStanding(
                    mount=mount,
                    role=role,
                    state=state,
                    kept={name: each for name, each in kept.items() if each is not None},
                    next_ms=self._times.next_ms(role, state),
                )
            )
        return found

    def troubles(self) -> list[str]:
        """Rotations that fail, and dates that are near, one line each."""
        found, now = [], self._clock.wall(self._clock.now_ms())
        for role in self._roles().values():
            for account in role.accounts:
                kept = self._kept.get(role.engine, account)
                if kept is not None and kept.failures:
                    why = kept.last_error
                    found.append(f"static role {role.key}: {account} is not rotated: {why}")
            state, by = self._book.known(role), role.schedule.by
            if by is not None and (state is None or not state.by_is_kept):
                left_s = (by - now).total_seconds()
                if left_s <= 0:
                    found.append(f"static role {role.key}: was to be rotated by {by:%F %R}")
                elif left_s <= NEAR_S:
                    found.append(f"static role {role.key}: must be rotated by {by:%F %R}")
        return found

    def _roles(self) -> Mapping[tuple[str, str], StaticRole]:
        return self._access.generation().bundle.static_roles
