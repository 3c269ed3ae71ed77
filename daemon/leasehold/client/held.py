"""A lease that is held, and what its holder knows of it. What sync and asyncio share."""

import random
from collections.abc import Callable, Mapping

from leasehold.client.replies import IssuedCredential
from leasehold.client.term import CredentialLost, Step, Term, begun
from leasehold.clock import Readings
from leasehold.errors import LeaseholdError
from leasehold.secret import Secret

LONGEST_WAIT_S = 30.0
"""A wait does not count the time in which the machine is suspended, so none is longer."""


def now_s() -> float:
    """Seconds that only move forward and count suspend, as lease time does."""
    return Readings().boot_ms() / 1000


class HeldLease:
    """A lease that is kept alive as long as it can be, with its credential."""

    def __init__(self, issued: IssuedCredential, asked_at: float) -> None:
        self._issued = issued
        self.asked_at = asked_at
        self.term = begun(issued.ttl_s, issued.renewable, asked_at, chance())

    @property
    def replaces(self) -> str:
        """The lease whose place this one took, if any."""
        return self._issued.replaces

    @property
    def replaces_s(self) -> int:
        """How long that one lived on, from when this one was asked for, in seconds."""
        return self._issued.replaces_s

    @property
    def overlap_s(self) -> int | None:
        """How long before its end the lease may be replaced, if it may."""
        return self._issued.overlap_s

    @property
    def lease_id(self) -> str:
        """The id of the lease."""
        return self._issued.lease_id

    @property
    def fields(self) -> Mapping[str, Secret]:
        """What the credential consists of. Raises CredentialLost when it must not be used."""
        if not self.term.alive(now_s()):
            raise self.lost()
        return self._issued.fields

    @property
    def ttl_s(self) -> float:
        """Seconds that are left of the lease, as far as known; 0 when it is lost."""
        now = now_s()
        return self.term.ends - now if self.term.alive(now) else 0.0

    def lost(self) -> CredentialLost:
        """The error that says how it was lost."""
        how = "was revoked" if self.term.over else "has ended"
        why = f" ({self.term.why})" if self.term.why else ""
        error = CredentialLost(f"lease {self.lease_id} {how}{why}; ask for a new credential")
        error.__cause__ = self.term.why
        return error


Outcome = tuple[int, bool] | LeaseholdError
"""The seconds that are left and whether the lease is renewable, or why that is not known."""
OnLost = Callable[[CredentialLost], None]


def after(term: Term, outcome: Outcome, asked_at: float) -> Term:
    """What is known of the lease when the step of `term`, taken at `asked_at`, had `outcome`."""
    if isinstance(outcome, LeaseholdError):
        return term.failed(outcome, now_s(), chance())
    ttl_s, renewable = outcome
    if term.step is Step.LOOK:
        return term.found(ttl_s, asked_at, chance())
    return term.granted(ttl_s, renewable, asked_at, chance())


def chance() -> float:
    """A number from 0 up to 1."""
    return random.random()  # noqa: S311 (it spreads load and guards nothing)
