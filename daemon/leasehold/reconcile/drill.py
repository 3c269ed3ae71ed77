"""One drill: issue, log in, revoke, see the login refused.

A drill's account is an account like any other, with a lease of a few seconds for an identity that
no policy can name: intent first, revoked by its frozen recipe, ended by the expiry worker whatever
dies in between. Its credential is used once and given to nobody.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from leasehold.bundle import Role
from leasehold.clock import Clock
from leasehold.creation import Creation, Order
from leasehold.ending import Ending
from leasehold.engines.guarded import GuardedEngine
from leasehold.errors import EngineError, Unavailable
from leasehold.failpoints import hit
from leasehold.leases.store import LeaseStore
from leasehold.model import Caller, Cause, LeaseState, Recipe
from leasehold.plugin import Revocability

IDENTITY = "leasehold:drill"
"""Whose the leases of drills are; names in a policy have no colon."""
OWNER = TENANT = "leasehold"
TTL_S = 60
"""Longer than an engine may take to make an account and to try it."""
_REFUSES = (Revocability.IMMEDIATE, Revocability.SESSIONS_SURVIVE, Revocability.BY_CUTOFF)
"""Where a revoked credential opens nothing any more. Elsewhere that is not looked at."""


def operation_of(engine: GuardedEngine) -> str:
    """The path word that a drill stands under, where nobody said another one."""
    return "creds" if "creds" in engine.operations else min(engine.operations)


class Step(StrEnum):
    """The steps of a drill, in their order."""

    ISSUE = "issue"
    LOGIN = "login"
    REVOKE = "revoke"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a drill is about: a role, how its accounts are taken away, where they are made."""

    mount: str
    operation: str
    role: Role
    recipe: Recipe
    engine: GuardedEngine
    generation: int

    @property
    def path(self) -> str:
        """What the role is asked for as."""
        return f"{self.mount}/{self.operation}/{self.role.name}"


@dataclass(slots=True)
class Outcome:
    """How a drill went: milliseconds by step as far as it came, and what was wrong, in one line.

    `fault` is empty when it passed. `stopped` is the first step that did not come to its end.
    """

    steps: dict[str, int] = field(default_factory=dict)
    fault: str = ""
    lease_id: str = ""
    account: str = ""
    stopped: Step | None = None

    @property
    def passed(self) -> bool:
        """Whether every step showed what it had to."""
        return not self.fault

    @property
    def ms(self) -> int:
        """All steps together."""
        return sum(self.steps.values())

    @contextmanager
    def timed(self, step: Step) -> Iterator[None]:
        """Note how long a step takes."""
        began_s = asyncio.get_running_loop().time()
        try:
            yield
        except BaseException:
            self.stopped = self.stopped or step
            raise
        finally:
            self.steps[step] = round((asyncio.get_running_loop().time() - began_s) * 1000)


class Drill:
    """Carries drills out, in work that goes on when its caller is gone (see `background.py`)."""

    def __init__(self, store: LeaseStore, clock: Clock, creation: Creation, ending: Ending) -> None:
        self._store = store
        self._clock = clock
        self._creation = creation
        self._ending = ending

    async def run(self, trial: Trial, caller: Caller | None = None) -> Outcome:
        """Drill a role; afterwards the account is gone, or its lease ends as every other does.

        While the account of an earlier drill stands, no other one is made. Raises Unavailable when
        leasehold itself cannot do it now.
        """
        if self._clock.suspect:
            raise Unavailable("the wall clock stepped; nothing is issued until it has settled")
        if left := await self._left_behind(trial.path):
            return Outcome(fault=f"the account of an earlier drill still stands, lease {left}")
        outcome = Outcome()
        try:
            await self._run(trial, caller, outcome)
        except EngineError as trouble:
            outcome.fault = f"{outcome.stopped}: {trouble}"
        return outcome

    async def _run(self, trial: Trial, caller: Caller | None, outcome: Outcome) -> None:
        engine = trial.engine
        with outcome.timed(Step.ISSUE):
            made = await self._creation.make(_order(trial, caller))
        lease, credential = made.lease, made.issued.credential
        outcome.lease_id, outcome.account = lease.id, lease.account
        try:
            with outcome.timed(Step.LOGIN):
                opens = await engine.login(credential)
            hit("drill.login")
        finally:
            with outcome.timed(Step.REVOKE):
                await self._ending.end(lease.id, Cause.DRILL, caller)
        if not opens:
            outcome.fault = f"{Step.LOGIN}: the target refuses the new credential"
        ended = await self._store.get(lease.id)
        if ended is not None and ended.state is not LeaseState.REVOKED:
            why = ended.last_error or "its removal is queued"
            outcome.fault = f"{Step.REVOKE}: the account still stands: {why}"
        elif opens and engine.revocability in _REFUSES:
            with outcome.timed(Step.REFUSED):
                if await engine.login(credential):
                    outcome.fault = f"{Step.REFUSED}: the revoked credential still opens the target"

    async def _left_behind(self, path: str) -> str:
        """The lease of an earlier drill whose account cannot be removed, empty when there is none.

        What only waits for a second look is gone as far as anybody can see.
        """
        ending = (LeaseState.REVOKING, LeaseState.DISABLED)
        for lease in await self._store.find(
            prefix=f"{path}/", identities=[IDENTITY], states=ending
        ):
            await self._ending.end(lease.id, Cause.DRILL)
            now = await self._store.get(lease.id)
            if now is None or now.state is LeaseState.REVOKED:
                continue
            if now.state is not LeaseState.DISABLED or not now.unproven:
                return lease.id
        return ""


def _order(trial: Trial, caller: Caller | None) -> Order:
    """The account is not counted against the role's limits: a full role can be drilled too."""
    return Order(
        mount=trial.mount,
        operation=trial.operation,
        role=trial.role,
        recipe=trial.recipe,
        engine=trial.engine,
        identity=IDENTITY,
        owner=OWNER,
        tenant=TENANT,
        ttl_s=TTL_S,
        max_ttl_s=TTL_S,
        generation=trial.generation,
        caller=caller,
        grounds={"rule": "drill"},
    )
