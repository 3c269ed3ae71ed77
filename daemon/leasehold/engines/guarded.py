"""Each call to an engine, guarded: deadline, lane, breaker, error class.

A plugin may hang, raise what it should not, or lose its target; none of that may reach the rest of
the daemon as anything but an EngineError. Issuing and revoking have lanes of their own, so that a
revocation never waits behind callers who want accounts (rule Q2).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

from leasehold.engines.breaker import Breaker
from leasehold.errors import ConfigError, EngineError, EngineTemporary
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

T = TypeVar("T")

ISSUE_LANE = 16
REVOKE_LANE = 4
LANE_WAIT_S = 10.0
MARGIN_S = 7.0
"""How much longer than the target's own statement timeout we wait for its answer, since a
connection may have to be made first."""
BATCH_S = 30.0
"""What a batch of revocations may take on top of that."""


class GuardedEngine:
    """One engine as the daemon sees it: opened at the first call, raising EngineError only."""

    def __init__(
        self, engine_class: type[Engine], name: str, connection: Mapping[str, Any]
    ) -> None:
        """Make the engine; raises ConfigError when its type has no use for `connection`."""
        try:
            self._engine = engine = engine_class(name, connection)
        except Exception as defect:
            # A recipe may be older than the plugin; its text may hold secrets (rule L2).
            raise ConfigError(
                f"engine {name}: type {engine_class.type} does not take its connection"
                f" ({type(defect).__name__})"
            ) from None
        self._opening = asyncio.Lock()
        self._opened = False
        self._failed: EngineError | None = None
        self._issue_lane = asyncio.Semaphore(ISSUE_LANE)
        self._revoke_lane = asyncio.Semaphore(REVOKE_LANE)
        self.breaker = Breaker(_loop_time)
        self.health = Health(ok=True)
        self.failure: EngineError | None = None
        """Why the last `check` failed, if it did."""
        self.name = engine.name
        self.type = engine.type
        self.operations = engine.operations
        self.revocability: Revocability = engine.revocability
        self.renewable = engine.renewable
        self.rehearses = engine_class.rehearses()
        self.statement_timeout_s = engine.statement_timeout_s

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
                await self._call("check", self._engine.check)
            return
        failed = self._failed
        async with self._opening:
            if self._opened:
                return
            if self._failed is not None and self._failed is not failed:
                raise self._failed
            try:
                await self._call("open", self._engine.open)
            except EngineError as error:
                self._failed = error
                raise
            self._opened = True

    async def probe(self) -> None:
        """Ask the target whether it is there now. Raises EngineError."""
        await self.ready()
        await self._call("check", self._engine.check)

    async def rehearse(
        self, role: Mapping[str, Any], expires_at: datetime, password_policy: PasswordPolicy
    ) -> None:
        """Prove a role and leave nothing behind (see `Engine.rehearse`)."""
        await self.ready()
        async with self._lane(self._issue_lane):
            await self._call(
                "rehearse", lambda: self._engine.rehearse(role, expires_at, password_policy)
            )

    async def issue(self, request: IssueRequest) -> Issued:
        """Make an account (see `Engine.issue`)."""
        async with self._lane(self._issue_lane):
            return await self._call("issue", lambda: self._issue(request))

    async def _issue(self, request: IssueRequest) -> Issued:
        issued = await self._engine.issue(request)
        if not all(isinstance(text, str) for item in issued.handle.items() for text in item):
            raise TypeError("a handle holds texts only")
        return issued

    async def renew(self, account: Account, expires_at: datetime) -> None:
        """Move an account's own expiry (see `Engine.renew`)."""
        await self.ready()
        async with self._lane(self._issue_lane):
            await self._call("renew", lambda: self._engine.renew(account, expires_at))

    async def revoke_many(self, accounts: Sequence[Account]) -> list[Removal | EngineError]:
        """Take accounts away; one result an account, in order (see `Engine.revoke_many`)."""
        await self.ready()
        async with self._lane(self._revoke_lane):
            return await self._call("revoke", lambda: self._revoke(accounts), BATCH_S)

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
        async with self._lane(self._issue_lane):
            return await self._call("login", lambda: self._engine.login(credential))

    async def check(self, roles: Sequence[Mapping[str, Any]]) -> Health:
        """Try the target, and keep what was found as `health`."""
        try:
            await self.ready()
            self.health = await self._call("check", lambda: self._engine.check(roles))
            self.failure = None
        except EngineError as error:
            self.failure = error
            self.health = Health(ok=False, reason=error.reason)
        return self.health

    async def ceilings(self, roles: Mapping[str, Mapping[str, Any]]) -> Sequence[Ceiling]:
        """Measure what the target allows (see `Engine.ceilings`)."""
        await self.ready()
        return await self._call("ceilings", lambda: self._ceilings(roles))

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
                yield await self._call("accounts", lambda: anext(pages))
            except StopAsyncIteration:
                return

    async def close(self) -> None:
        """Let go of the target; quiet, since nothing can be done about a failure."""
        try:
            async with asyncio.timeout(MARGIN_S):
                await self._engine.close()
        except (EngineError, TimeoutError):
            logger.info("engine %s did not close in time", self.name)

    @asynccontextmanager
    async def _lane(self, lane: asyncio.Semaphore) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(LANE_WAIT_S):
                await lane.acquire()
        except TimeoutError:
            raise EngineTemporary(f"{self.name} is busy; try again") from None
        try:
            yield
        finally:
            lane.release()

    async def _call(
        self, verb: str, call: Callable[[], Awaitable[T]], extra_s: float = MARGIN_S
    ) -> T:
        if not self.breaker.allow():
            raise EngineTemporary(
                f"{self.name} is away ({self.breaker.reason});"
                f" next try in {self.breaker.probe_in_s:.0f} s"
            )
        deadline_s = self.statement_timeout_s + extra_s
        error: EngineError
        try:
            async with asyncio.timeout(deadline_s):
                result = await call()
        except TimeoutError:
            error = EngineTemporary(f"no answer within {deadline_s:g} s", outcome_unknown=True)
        except StopAsyncIteration:
            self.breaker.succeeded()
            raise
        except EngineError as failure:
            error = failure
        except Exception as defect:
            # A plugin's defect must not be the daemon's; its text may hold secrets (rule L2).
            logger.error("engine %s: %s raised %s", self.name, verb, type(defect).__name__)
            error = EngineTemporary(
                f"a defect of engine type {self.type}: {type(defect).__name__} in {verb}",
                outcome_unknown=True,
            )
        else:
            self.breaker.succeeded()
            return result
        if isinstance(error, EngineTemporary) or (verb == "check" and self.breaker.is_open):
            # A target that refuses to be asked whether it is back is not.
            self.breaker.failed(error.reason)
        else:
            self.breaker.succeeded()
        raise error


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
