"""The passwords of administrators: rotated, settled after a crash, given back.

What the policy refers to is for the beginning. Once the password was rotated, what holds is here,
and no apply brings the old one back; `reset` does, by giving the target what the policy refers to.
"""

import contextlib
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from leasehold.access import Access
from leasehold.background import Background
from leasehold.bundle import Bundle, EngineConfig
from leasehold.clock import Clock
from leasehold.engines.guarded import GuardedEngine
from leasehold.engines.registry import Engines
from leasehold.errors import Invalid, LeaseholdError, NotFound
from leasehold.kept import Kept, KeptPasswords, account_of
from leasehold.model import Caller, EventType
from leasehold.plugin import make_password
from leasehold.policy.references import resolve_connection
from leasehold.rotation.turning import Turn, Turning
from leasehold.secret import Secret

logger = logging.getLogger(__name__)

OPERATE = "operate"
Alone = Callable[[], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RootStanding:
    """How the administrator's password of an engine stands; `next_ms` is when it is due."""

    config: EngineConfig
    kept: Kept | None
    next_ms: int | None


class RootRotation:
    """Rotates. `alone` keeps other generations away for the length of a block."""

    def __init__(
        self,
        *,
        access: Access,
        kept: KeptPasswords,
        engines: Engines,
        turning: Turning,
        clock: Clock,
        background: Background,
        alone: Alone,
    ) -> None:
        self._access = access
        self._kept = kept
        self._engines = engines
        self._turning = turning
        self._clock = clock
        self._background = background
        self._alone = alone

    async def rotate(self, caller: Caller, mount: str, name: str) -> None:
        """Rotate now. Raises Denied, NotFound, Invalid, EngineError, Unavailable."""
        told = await self._allowed(caller, mount, name)
        await self._background.finish(self._rotate(name, caller, told))

    async def reset(self, caller: Caller, mount: str, name: str) -> None:
        """Give the target the password that the policy refers to, and use that from now on.

        Raises Denied, NotFound, Invalid, ConfigError (the reference leads nowhere), EngineError,
        Unavailable.
        """
        told = await self._allowed(caller, mount, name)
        await self._background.finish(self._reset(name, caller, told))

    async def _allowed(self, caller: Caller, mount: str, name: str) -> Mapping[str, str]:
        path = f"{mount}/rotate-root/{name}"
        decision = await self._access.require(caller, path, OPERATE)
        config = self._bundle().engines.get(name)
        if config is None or config.mount != mount:
            raise NotFound(f"no engine called {name[:64]} is mounted at {mount[:64]}")
        return {"by": decision.identity.name, "rule": decision.rule}

    async def _rotate(
        self,
        name: str,
        caller: Caller | None = None,
        told: Mapping[str, str] | None = None,
        *,
        if_due: bool = False,
    ) -> None:
        async with self._alone():
            if if_due and not self._is_due(name):
                return  # somebody else was at it meanwhile
            config, engine = self._bundle().engines[name], self._engines.current(name)
            kept = self._begin(config, engine)
            await self._turning.attempt(kept, self._turn(engine, kept, caller, told))
        logger.info("engine %s: the administrator's password was rotated", name)

    async def _reset(self, name: str, caller: Caller, told: Mapping[str, str]) -> None:
        async with self._alone():
            config, engine = self._bundle().engines[name], self._engines.current(name)
            kept = self._begin(config, engine)
            if kept.password is None and kept.candidate is None:
                raise Invalid(f"engine {name}: its password was never rotated")
            wanted: Secret = (await resolve_connection(config.connection))[kept.option]
            if kept.candidate is not None and kept.candidate.reveal() != wanted.reveal():
                # Which of both holds must be known before a third one is given.
                kept = await self._turning.attempt(kept, self._turn(engine, kept, caller, told))
            self._turning.check_that_nothing_is_late(kept)
            # It may have been given by hand, so it is tried before it is given.
            kept = kept.intended(wanted, self._clock.now_ms())
            turn = self._turn(engine, kept, caller, told, EventType.ROOT_RESET)
            await self._kept.forget(await self._turning.attempt(kept, turn))
        logger.info("engine %s: its password is the policy's again", name)

    def _begin(self, config: EngineConfig, engine: GuardedEngine) -> Kept:
        """What is known of the password, from now on at least."""
        option = engine.root_secret
        if "root" not in engine.rotates:
            raise Invalid(f"engine {config.name}: type {config.type} rotates no administrator")
        if option not in config.connection:
            raise Invalid(f"engine {config.name}: its connection has no {option} to rotate")
        account = account_of(self._engines.connection(config.name))
        known = self._kept.get(config.name, account)
        if known is None:
            now_ms = self._clock.now_ms()
            known = Kept(engine=config.name, account=account, option=option, since_ms=now_ms)
        return known

    def _turn(
        self,
        engine: GuardedEngine,
        kept: Kept,
        caller: Caller | None,
        told: Mapping[str, str] | None,
        done: EventType = EventType.ROOT_ROTATED,
    ) -> Turn:
        async def send(password: Secret, sent: bool) -> None:
            await self._engines.turn(engine.name, {kept.option: password}, password, sent=sent)

        return Turn(
            send=send,
            old_opens=lambda: self._engines.opens(engine.name),
            make=lambda: Secret(make_password(engine.standing_passwords)),
            settle_ms=int(engine.statement_timeout_s * 2_000),
            done=done,
            about=f"engine:{engine.name}",
            caller=caller,
            told=dict(told or {}),
        )

    async def when_due(self, name: str) -> None:
        """Rotate if it is due, or finish what was begun. Raises what `rotate` does."""
        if self._is_due(name):
            await self._background.finish(self._rotate(name, if_due=True))

    def _is_due(self, name: str) -> bool:
        if name not in self._bundle().engines:
            return False
        next_ms = self.standing(name).next_ms
        return next_ms is not None and next_ms <= self._clock.now_ms()

    async def reckon(self) -> dict[str, int]:
        """When each engine is due, of those that ever are; what is new is reckoned from now on."""
        due = {}
        for name, config in self._bundle().engines.items():
            if config.root_rotation_s is not None and self.standing(name).kept is None:
                try:
                    await self._kept.keep(self._begin(config, self._engines.current(name)))
                except LeaseholdError as trouble:
                    logger.error("engine %s: its rotation waits: %s", name, trouble)
            next_ms = self.standing(name).next_ms
            if next_ms is not None:
                due[name] = next_ms
        return due

    def standing(self, name: str) -> RootStanding:
        """How the password of one engine stands. Raises KeyError for an unknown one."""
        config, kept = self._bundle().engines[name], None
        with contextlib.suppress(LeaseholdError):  # an engine that cannot be used has no connection
            kept = self._kept.get(name, account_of(self._engines.connection(name)))
        if kept is None:
            return RootStanding(config=config, kept=None, next_ms=None)
        every_s = config.root_rotation_s
        planned_ms = None if every_s is None else kept.last_ms + every_s * 1000
        return RootStanding(config=config, kept=kept, next_ms=kept.next_ms(planned_ms))

    def standings(self) -> list[RootStanding]:
        """That of each engine, by name."""
        return [self.standing(name) for name in sorted(self._bundle().engines)]

    def troubles(self) -> list[str]:
        """Rotations that fail, one line each."""
        return [
            f"engine {each.config.name}: its password is not rotated: {each.kept.last_error}"
            for each in self.standings()
            if each.kept is not None and each.kept.failures and each.next_ms is not None
        ]

    def _bundle(self) -> Bundle:
        return self._access.generation().bundle
