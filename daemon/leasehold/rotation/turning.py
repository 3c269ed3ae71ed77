"""One attempt to give an account another password, in two phases, whoever's account it is.

Order is everything here: write the new one down, send it, have a login prove it, let go of the old
one. A daemon that dies in between finds the candidate when it starts again, and sends it again.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from leasehold.clock import Clock
from leasehold.errors import EngineError, LeaseholdError, Unavailable, outcome_of
from leasehold.failpoints import hit
from leasehold.kept import Kept, KeptPasswords
from leasehold.model import Caller, Event, EventType
from leasehold.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What to do, and what tells of it.

    `send` gives the target a password and proves it; it is told whether this one may have been sent
    before. `old_opens` asks the target whether the password before still opens, or does not matter.
    `make` makes a password. A send may reach the target up to `settle_ms` later. `done` is what
    happened then, to `about`, asked for by `caller` on the grounds `told`. `commit` writes what was
    proved and what tells of it, where more belongs to that.
    """

    send: Callable[[Secret, bool], Awaitable[None]]
    old_opens: Callable[[], Awaitable[bool]]
    make: Callable[[], Secret]
    settle_ms: int
    done: EventType
    about: str
    caller: Caller | None = None
    told: Mapping[str, str] = field(default_factory=dict)
    commit: Callable[[Kept, Event], Awaitable[None]] | None = None


class Turning:
    """Carries out turns. The caller sees to it that there is one at a time for each account.

    `failed` is called after an attempt that is to be made again.
    """

    def __init__(self, kept: KeptPasswords, clock: Clock, failed: Callable[[], None]) -> None:
        self._kept = kept
        self._clock = clock
        self._failed = failed

    async def attempt(self, before: Kept, turn: Turn) -> Kept:
        """Make one attempt; returns what holds then.

        A candidate that is left over is sent again. Raises EngineError, Unavailable: then the old
        password or the candidate holds, and both are kept until it is known which.
        """
        sent = before.candidate is not None
        if not sent:
            self.check_that_nothing_is_late(before)
        candidate = before.candidate or turn.make()
        intended = before.intended(candidate, self._clock.now_ms())
        await self._kept.keep(intended, self._event(EventType.ROTATION_INTENDED, turn, intended))
        hit("rotation.intended")
        try:
            await turn.send(candidate, sent)
        except LeaseholdError as trouble:
            await self._fail(before, intended, turn, trouble)
            raise
        hit("rotation.proved")
        proved = intended.proved(before, self._clock.now_ms(), turn.settle_ms)
        told = self._event(turn.done, turn, proved)
        if turn.commit is not None:
            await turn.commit(proved, told)
        else:
            await self._kept.keep(proved, told, may_delay_audit=True)
        hit("rotation.written")
        return proved

    def check_that_nothing_is_late(self, before: Kept) -> None:
        """Raise Unavailable while an earlier password may still reach the target."""
        left_ms = (before.late_ms or 0) - self._clock.now_ms()
        if left_ms > 0:
            left_s = -(-left_ms // 1000)
            raise Unavailable(
                "a command of the last rotation may still reach the target; try again in"
                f" {left_s} s",
                retry_after_s=left_s,
            )

    async def _fail(
        self, before: Kept, intended: Kept, turn: Turn, trouble: LeaseholdError
    ) -> None:
        now_ms = self._clock.now_ms()
        sure = isinstance(trouble, EngineError) and not trouble.outcome_unknown
        if sure and before.candidate is not None:
            sure = await turn.old_opens()
        failed = (
            intended.refused(before, now_ms, turn.settle_ms, str(trouble))
            if sure
            else intended.failed(now_ms, str(trouble))
        )
        told = self._event(EventType.ROTATION_FAILED, turn, failed, trouble)
        await self._kept.keep(failed, told, may_delay_audit=True)
        self._failed()

    def _event(
        self, kind: EventType, turn: Turn, kept: Kept, trouble: LeaseholdError | None = None
    ) -> Event:
        told = {"engine": kept.engine, "account": kept.account, **turn.told}
        if trouble is not None:
            told |= {"why": str(trouble), "attempt": str(kept.failures), **outcome_of(trouble)}
        now_ms = self._clock.now_ms()
        return Event.new(kind, now_ms, None, caller=turn.caller, about=turn.about, **told)
