"""One engine with each of its calls guarded, and replaced in place when its password changes.

Issuing and revoking have lanes of their own, so that a revocation never waits behind callers who
want accounts (rule Q2).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from leasehold.engines.catalog import make_engine
from leasehold.engines.guard import LANE_WAIT_S, MARGIN_S, Guard
from leasehold.engines.lacking import with_lacking
from leasehold.errors import EngineError, EnginePermanent, EngineTemporary, ErrorClass
from leasehold.failpoints import hit
from leasehold.plugin import (
    Account,
    Ceiling,
    Engine,
    Health,
    Issued,
    IssueRequest,
    PasswordPolicy,
    Removal,
    Revocability,
    Secret,
)

logger = logging.getLogger(__name__)

ISSUE_LANE = 16
REVOKE_LANE = 4
BATCH_S = 30.0
"""What a batch of revocations may take on top of the target's own statement timeout."""


class GuardedEngine:
    """One engine as the daemon sees it: opened at the first call, raising EngineError only."""

    def __init__(
        self, engine_class: type[Engine], name: str, connection: Mapping[str, Any]
    ) -> None:
        """Make the engine; raises ConfigError when its type has no use for `connection`."""
        self._engine = engine = make_engine(engine_class, name, connection)
        self._opening = asyncio.Lock()
        self._opened = False
        self._failed: EngineError | None = None
        self._issue_lane = asyncio.Semaphore(ISSUE_LANE)
        self._revoke_lane = asyncio.Semaphore(REVOKE_LANE)
        self.health = Health(ok=True)
        self.failure: EngineError | None = None
        """Why the last `check` failed, if it did."""
        self.name = engine.name
        self.type = engine.type
        self.operations = engine.operations
        self.revocability: Revocability = engine.revocability
        self.renewable = engine.renewable
        self.rehearses = engine_class.rehearses()
        self.rotates = engine_class.rotates()
        self.checks_rotation = engine_class.check_rotation is not Engine.check_rotation
        self.root_secret = engine.root_secret
        self.standing_passwords = engine.standing_passwords
        self.statement_timeout_s = engine.statement_timeout_s
        self._guard = Guard(self.name, self.type, self.statement_timeout_s)
        self.breaker = self._guard.breaker

    @property
    def target_id(self) -> str:
        """The identity of the target; known once `ready` returned."""
        return self._engine.target_id

    @property
    def state(self) -> str:
        """`ready`, `opening` (not tried or not reached yet) or `down`."""
        if self.breaker.is_open:
            return "down"
        return "ready" if self._opened else "opening"

    async def ready(self) -> None:
        """Be open, and back if the target was away. Raises EngineError.

        Many callers share one attempt and its failure, so none waits for more than that.
        """
        if self._opened:
            if self.breaker.is_open:
                await self._guard.call("check", lambda: self._engine.check())
            return
        failed = self._failed
        async with self._opening:
            if self._opened:
                return
            if self._failed is not None and self._failed is not failed:
                raise self._failed
            try:
                await self._guard.call("open", self._open)
            except EngineError as error:
                self._failed = error
                raise

    async def _open(self) -> None:
        if not self._opened:  # a rotation may have opened it meanwhile
            await self._engine.open()
            self._opened = True

    async def probe(self) -> None:
        """Ask the target whether it is there now. Raises EngineError."""
        await self.ready()
        await self._guard.call("check", lambda: self._engine.check())

    async def rehearse(
        self, role: Mapping[str, Any], expires_at: datetime, password_policy: PasswordPolicy
    ) -> None:
        """Prove a role and leave nothing behind (see `Engine.rehearse`)."""
        await self.ready()
        async with self._guard.lane(self._issue_lane):
            await self._guard.call(
                "rehearse", lambda: self._engine.rehearse(role, expires_at, password_policy)
            )

    async def issue(self, request: IssueRequest) -> Issued:
        """Make an account (see `Engine.issue`)."""
        async with self._guard.lane(self._issue_lane):
            return await self._guard.call("issue", lambda: self._issue(request))

    async def _issue(self, request: IssueRequest) -> Issued:
        issued = await self._engine.issue(request)
        if not all(isinstance(text, str) for item in issued.handle.items() for text in item):
            raise TypeError("a handle holds texts only")
        return issued

    async def renew(self, account: Account, expires_at: datetime) -> None:
        """Move an account's own expiry (see `Engine.renew`)."""
        await self.ready()
        async with self._guard.lane(self._issue_lane):
            await self._guard.call("renew", lambda: self._engine.renew(account, expires_at))

    async def revoke_many(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
        """Take accounts away; one result an account, in order (see `Engine.revoke_many`)."""
        await self.ready()
        async with self._guard.lane(self._revoke_lane):
            return await self._guard.call("revoke", lambda: self._revoke(accounts), BATCH_S)

    async def _revoke(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
        results = await self._engine.revoke_many(accounts)
        known = [result for result in results if isinstance(result, Removal | EngineError)]
        if not len(known) == len(results) == len(accounts):
            raise TypeError("revoke_many gives one result an account")
        if all(isinstance(result, EngineTemporary) for result in results):
            # These accounts, or the target itself? It says so when it is asked.
            await self._engine.check()
        return results

    async def login(self, credential: Mapping[str, str | Secret]) -> bool:
        """Whether a credential opens the target now."""
        async with self._guard.lane(self._issue_lane):
            return await self._guard.call("login", lambda: self._engine.login(credential))

    async def check(
        self, roles: Sequence[Mapping[str, Any]], standing: Iterable[str | None] = ()
    ) -> Health:
        """Try the target, and keep what was found as `health`; `standing` are to be rotated."""
        try:
            await self.ready()
            health = await self._guard.call("check", lambda: self._engine.check(roles))
            lacking = [line for name in standing for line in await self.check_rotation(name)]
            self.health = with_lacking(health, lacking)
            self.failure = None
        except EngineError as error:
            self.failure = error
            self.health = Health(ok=False, reason=error.reason)
        return self.health

    async def check_rotation(self, username: str | None) -> Sequence[str]:
        """Name what keeps us from rotating an account (see `Engine.check_rotation`)."""
        await self.ready()
        return await self._guard.call(
            "check_rotation", lambda: self._engine.check_rotation(username)
        )

    async def ceilings(self, roles: Mapping[str, Mapping[str, Any]]) -> Sequence[Ceiling]:
        """Measure what the target allows (see `Engine.ceilings`)."""
        await self.ready()
        return await self._guard.call("ceilings", lambda: self._ceilings(roles))

    async def _ceilings(self, roles: Mapping[str, Mapping[str, Any]]) -> Sequence[Ceiling]:
        found = tuple(await self._engine.ceilings(roles))
        if not all(isinstance(one, Ceiling) for one in found):
            raise TypeError("ceilings gives Ceiling values only")
        return found

    async def accounts(self, pattern: str) -> AsyncIterator[str]:
        """Page through the names of accounts at the target."""
        await self.ready()
        pages = self._engine.accounts(pattern)
        while True:
            try:
                yield await self._guard.call("accounts", lambda: anext(pages))
            except StopAsyncIteration:
                return

    async def turn(
        self,
        before: Mapping[str, Any],
        connection: Mapping[str, Any],
        password: Secret,
        *,
        sent: bool,
    ) -> None:
        """Give the administrator `password`, and use `connection`, which has it, from now on.

        No other call is under way meanwhile. It is proved by a login before the old password, which
        `before` has, is let go of. With `sent` it may have been given before: which of both holds
        is found out first. Raises EngineError, with an unknown outcome where the target may have
        the new one.
        """
        async with self._guard.gate.closed(LANE_WAIT_S + BATCH_S):
            opened = sent and await self._use_if_it_opens(connection)
            try:
                if sent and not opened and self._engine.connection is not before:
                    await self._use(before)  # the new one opened once, and the target undid it
                # Not by `ready`, since somebody who waits outside may hold its lock.
                await self._guard.call("open", self._open)
                await self._guard.call("rotate_root", lambda: self._engine.rotate_root(password))
            except EngineError as trouble:
                if opened and isinstance(trouble, EnginePermanent):
                    return  # it holds already
                if opened:
                    raise EngineTemporary(trouble.reason, outcome_unknown=True) from trouble
                raise
            hit("rotation.set")
            try:
                await self._use(connection)
            except EngineError as trouble:
                raise EngineTemporary(
                    f"the new password was given, and a login with it failed: {trouble}",
                    outcome_unknown=True,
                ) from trouble

    async def _use_if_it_opens(self, connection: Mapping[str, Any]) -> bool:
        try:
            await self._use(connection)
        except EngineError as trouble:
            if trouble.error_class is not ErrorClass.DENIED:
                raise
            return False
        return True

    async def opens(self, connection: Mapping[str, Any]) -> bool:
        """Whether the target lets the administrator in with `connection` now."""
        tried = make_engine(type(self._engine), self.name, connection)
        try:
            await self._guard.call("open", tried.open)
        except EngineError:
            return False
        finally:
            await self._close(tried)
        return True

    async def _use(self, connection: Mapping[str, Any]) -> None:
        """Put an engine with `connection` in this one's place, once it is open."""
        old, new = self._engine, make_engine(type(self._engine), self.name, connection)
        try:
            await self._guard.call("open", new.open)
        except EngineError:
            await self._close(new)
            raise
        self._engine, self._opened = new, True
        await self._close(old)

    async def rotate_static(self, username: str, password: Secret) -> None:
        """Give a standing account a password, and prove it by a login. Raises EngineError."""
        await self.ready()
        async with self._guard.lane(self._issue_lane):
            await self._guard.call(
                "rotate_static", lambda: self._engine.rotate_static(username, password)
            )
        hit("rotation.set")
        try:
            opens = await self.login({"username": username, "password": password})
        except EngineError as trouble:
            raise EngineTemporary(trouble.reason, outcome_unknown=True) from trouble
        if not opens:
            raise EngineTemporary(
                f"the new password was given, and {username} cannot log in with it",
                outcome_unknown=True,
            )

    async def close(self) -> None:
        """Let go of the target; quiet, since nothing can be done about a failure."""
        await self._close(self._engine)

    async def _close(self, engine: Engine) -> None:
        try:
            async with asyncio.timeout(MARGIN_S):
                await engine.close()
        except (EngineError, TimeoutError):
            logger.info("engine %s did not close in time", self.name)
