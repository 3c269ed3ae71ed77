"""Which credential a pool or a block stands on, and what is to be done next. No I/O.

A pool of connections lives as long as the lease of the credential that opened it. Shortly before
the end a successor is made, with a credential of its own; who comes then gets it, and who is still
at work with the old one has time to finish. While no successor can be had, the old one serves for
as long as its lease lives. The credential of a block follows another in the same way, where its
user can take a new one; else it is told in time that this one is the last.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from enum import Enum
from math import inf
from typing import Generic, Protocol, TypeVar

from leasehold.client.held import HeldLease
from leasehold.client.replies import IssuedCredential
from leasehold.client.term import CredentialLost, Step, pause_s
from leasehold.errors import LeaseholdError
from leasehold.secret import Secret

P = TypeVar("P")
C = TypeVar("C", covariant=True)


class Adapter(Protocol[P, C]):
    """What a dynamic pool needs to know of a driver's pools `P` of connections `C`."""

    broken: tuple[type[Exception], ...]
    """Errors of checkouts and queries that a revoked credential may be the cause of."""

    def open(self, fields: Mapping[str, Secret]) -> P:
        """A pool with the credential, proved by a connection. Raises Unavailable."""

    def checkout(self, pool: P) -> AbstractContextManager[C]:
        """A connection for the length of a block."""

    def close(self, pool: P) -> None:
        """End the pool's connections."""


class AsyncAdapter(Protocol[P, C]):
    """The same for asyncio."""

    broken: tuple[type[Exception], ...]

    async def open(self, fields: Mapping[str, Secret]) -> P:
        """A pool with the credential, proved by a connection. Raises Unavailable."""

    def checkout(self, pool: P) -> AbstractAsyncContextManager[C]:
        """A connection for the length of a block."""

    async def close(self, pool: P) -> None:
        """End the pool's connections."""


def adapters_fault(error: Exception) -> LeaseholdError:
    """What a pool makes of an adapter's error; the text of a driver's own may hold anything."""
    if isinstance(error, LeaseholdError):
        return error
    return LeaseholdError(f"the adapter failed ({type(error).__name__})")


class Generation(HeldLease, Generic[P]):
    """A credential with what was opened for it: a pool, and how many are at work with it."""

    def __init__(self, issued: IssuedCredential, asked_at: float, opened: P) -> None:
        super().__init__(issued, asked_at)
        self.opened = opened
        self.users = 0
        self.successor = ""
        """The lease that took the place of this one's, if the daemon knows of that."""


class Act(Enum):
    """What is to be done next."""

    SEE_TO = "see to the lease"
    REPLACE = "make the next generation"
    WARN = "say that there will be no next one"
    RETIRE = "take the one out of use whose lease is over"


class Succession(Generic[P]):
    """The generation that is in use, if there is one, and the failures to make the next.

    With `last` the first generation is the last as well.
    """

    def __init__(self, path: str, *, last: bool = False) -> None:
        self.path = path
        self.current: Generation[P] | None = None
        self._retry_at = 0.0
        self._tries = 0
        self._why: LeaseholdError | None = None
        self._last = last
        self._warned = False

    def act(self, now: float) -> tuple[Act, float]:
        """What is next, and in how many seconds."""
        current = self.current
        if current is None:
            act, at = Act.REPLACE, self._retry_at
        elif self._last and current.term.step is Step.NOTHING:
            act, at = Act.WARN, inf if self._warned else current.term.due
        elif current.term.step is Step.NOTHING:
            early = current.term.ends - (current.overlap_s or inf)
            act, at = Act.REPLACE, max(current.term.due, self._retry_at, early)
        else:
            act, at = Act.SEE_TO, current.term.due
        if current is not None and (not current.term.alive(now) or at >= current.term.ends):
            act, at = Act.RETIRE, now if current.term.over else current.term.ends
        return act, max(0.0, at - now)

    def replaceable(self, now: float) -> Generation[P] | None:
        """The generation whose lease the daemon can be asked to replace, if it is one."""
        current = self.current
        if current is None or current.overlap_s is None or not current.term.alive(now):
            return None
        return current

    def usable(self, now: float) -> Generation[P] | None:
        """The generation for a new checkout, unless there is none or it is in doubt."""
        current = self.current
        if current is None or current.term.in_doubt(now) or not current.term.alive(now):
            return None
        return current

    def undecided(self, generation: Generation[P], now: float) -> bool:
        """Whether it is being asked if `generation`, which failed somebody, is to be replaced."""
        return generation is self.current and generation.term.in_doubt(now)

    def stands(self, generation: Generation[P]) -> bool:
        """Whether `generation` is to be used further, as far as is known."""
        return generation is self.current and not generation.term.over

    def swap(self, successor: Generation[P] | None) -> Generation[P] | None:
        """Put `successor` to use; the one that was."""
        retired, self.current = self.current, successor
        if successor is not None:
            if retired is not None and successor.replaces == retired.lease_id:
                retired.successor = successor.lease_id
                retired.term = retired.term.ending(successor.replaces_s, successor.asked_at)
            self._tries, self._retry_at, self._why = 0, 0.0, None
        return retired

    def failed(self, error: LeaseholdError, now: float, chance: float) -> None:
        """No successor could be made."""
        self._why = error
        self._retry_at = now + pause_s(self._tries, error, chance)
        self._tries += 1

    def warned(self) -> None:
        """It was said that there will be no next one."""
        self._warned = True

    def lost(self) -> CredentialLost:
        """The error for who waited for a generation in vain."""
        why = f": {self._why}" if self._why else ""
        error = CredentialLost(f"{self.path}: there is no credential{why}")
        error.__cause__ = self._why
        return error
