"""When a lease is seen to, and what a holder concludes from each answer. Pure.

A lease is renewed when half of its life has gone, a little earlier by chance, so that many holders
do not come at once. A renewal that grants less than it asked for met the lease's maximum: no later
one can move the end, so it is the last. A daemon that is away is asked again, in pauses that
double, as long as the lease lives. A refusal need not mean an end, so the lease is looked up.

Times are seconds on a clock of the caller's that only moves forward. The end of a lease is counted
from before the request was sent, so it is never later here than at the daemon.
"""

from dataclasses import dataclass, replace
from enum import Enum

from leasehold.client.replies import Unreachable
from leasehold.errors import Denied, Invalid, LeaseholdError, LimitReached, NotFound, Unavailable

EARLIER = 0.1
"""Share of what is left of a life by which chance may bring its renewal forward."""
DOUBT_S = 2.0
"""A daemon that takes longer to say whether a lease still lives is taken to be away."""
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0


class CredentialLost(LeaseholdError):
    """The credential is not to be used any more: its lease has ended, or that must be assumed."""

    code = "lost"


class Step(Enum):
    """What is to be done about a lease when its `due` comes."""

    RENEW = "renew"
    LOOK = "look"
    NOTHING = "nothing"
    """It lives to its end, which no renewal moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """What is known of one lease: it lives until `ends`, and `step` is to be taken at `due`.

    `asked_s` is the span that renewals ask for. `why` is what went wrong last. With `over` it ended
    before its time.
    """

    asked_s: int
    ends: float
    due: float
    step: Step
    then: Step = Step.NOTHING
    tries: int = 0
    over: bool = False
    why: LeaseholdError | None = None

    def alive(self, now: float) -> bool:
        """Whether the credential may be used."""
        return not self.over and now < self.ends

    def in_doubt(self, now: float) -> bool:
        """Whether the daemon's word on this lease is worth waiting for; see DOUBT_S."""
        asking = self.step is Step.LOOK and self.tries == 0 and not self.over
        return asking and now < self.due + DOUBT_S

    def granted(self, ttl_s: int, renewable: bool, asked_at: float, chance: float) -> "Term":
        """A renewal was granted."""
        more = renewable and ttl_s >= self.asked_s
        return self._until(asked_at, ttl_s, Step.RENEW if more else Step.NOTHING, chance)

    def found(self, ttl_s: int, asked_at: float, chance: float) -> "Term":
        """The lease was looked up; one that is past its end has a `ttl_s` of 0 or less."""
        if ttl_s <= 0:
            return replace(self, over=True)
        return self._until(asked_at, ttl_s, self.then, chance, self.why)

    def failed(self, error: LeaseholdError, now: float, chance: float) -> "Term":
        """The step came to `error`."""
        if self.step is Step.LOOK and isinstance(error, Invalid | NotFound):
            return replace(self, over=True, why=self.why or error)
        if self.step is Step.LOOK and isinstance(error, Denied):
            # Nothing can be known of it; it is not renewed, and holds to its end.
            return self._until(now, self.ends - now, Step.NOTHING, chance, error)
        if isinstance(error, Invalid | NotFound | Denied):
            return replace(self, step=Step.LOOK, then=Step.NOTHING, due=now, tries=0, why=error)
        left = max(0.0, self.ends - now)
        pause = min(pause_s(self.tries, error, chance), max(FIRST_PAUSE_S, left / 4))
        return replace(self, due=now + pause, tries=self.tries + 1, why=error)

    def ending(self, left_s: float, asked_at: float) -> "Term":
        """Another lease took its place: it lives so long, and nothing moves that."""
        ends = asked_at + left_s
        return replace(self, ends=ends, due=ends, step=Step.NOTHING)

    def doubted(self, now: float) -> "Term":
        """What the credential was used for failed, so the lease may have been revoked."""
        if self.over or self.step is Step.LOOK:
            return self
        return replace(self, step=Step.LOOK, then=self.step, due=now, tries=0)

    def _until(
        self,
        start: float,
        left_s: float,
        step: Step,
        chance: float,
        why: LeaseholdError | None = None,
    ) -> "Term":
        return replace(
            self,
            ends=start + left_s,
            due=start + left_s * _half(chance),
            step=step,
            then=Step.NOTHING,
            tries=0,
            why=why,
        )


def begun(ttl_s: int, renewable: bool, asked_at: float, chance: float) -> Term:
    """The term of a lease that was asked for at `asked_at`; `chance` is from 0 up to 1."""
    return Term(
        asked_s=ttl_s,
        ends=asked_at + ttl_s,
        due=asked_at + ttl_s * _half(chance),
        step=Step.RENEW if renewable else Step.NOTHING,
    )


def pause_s(tries: int, error: LeaseholdError, chance: float) -> float:
    """How long to wait after `tries` failures before this one: doubling, or what the daemon says.

    Between half and the whole of it, by `chance`.
    """
    least = 0.0
    if isinstance(error, LimitReached | Unavailable) and not isinstance(error, Unreachable):
        least = error.retry_after_s
    doubled: float = min(FIRST_PAUSE_S * 2 ** min(tries, 16), LONGEST_PAUSE_S)
    return max(least, doubled * (0.5 + chance / 2))


def _half(chance: float) -> float:
    return 0.5 - EARLIER * chance
