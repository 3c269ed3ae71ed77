"""When static roles are due: the policy's times, what was asked for, and what was cut short."""

from leasehold.clock import Clock
from leasehold.kept import KeptPasswords
from leasehold.rotation.static_state import StaticState
from leasehold.standing import StaticRole


class StaticTimes:
    """Instants are lease time; None is for never."""

    def __init__(self, kept: KeptPasswords, clock: Clock) -> None:
        self._kept = kept
        self._clock = clock

    def account(self, role: StaticRole, state: StaticState) -> str:
        """The account that the next rotation is of: first the one whose last was cut short."""
        for account in role.accounts:
            kept = self._kept.get(role.engine, account)
            if kept is not None and kept.candidate is not None and account != state.predecessor:
                return account
        return state.next_account(role)

    def next_ms(self, role: StaticRole, state: StaticState) -> int | None:
        """When the next rotation is."""
        planned_ms = state.asked_ms
        if planned_ms is None:
            now_ms = self._clock.now_ms()
            last, now = self._clock.wall(state.last_ms), self._clock.wall(now_ms)
            planned = role.schedule.next(last, now, by_kept=state.by_is_kept)
            if planned is not None:
                planned_ms = now_ms + int((planned - now).total_seconds() * 1000)
        kept = self._kept.get(role.engine, self.account(role, state))
        return planned_ms if kept is None else kept.next_ms(planned_ms)

    def retire_ms(self, role: StaticRole, state: StaticState) -> int | None:
        """When the predecessor ends; never means that it does when its turn comes."""
        planned_ms = state.last_ms if state.may_retire else state.retire_ms
        if not state.predecessor or planned_ms is None:
            return None
        kept = self._kept.get(role.engine, state.predecessor)
        return planned_ms if kept is None else kept.next_ms(planned_ms)

    def rotation_is_due(self, role: StaticRole, state: StaticState) -> bool:
        """Whether the role is to be rotated now."""
        return self._is_due(self.next_ms(role, state))

    def retirement_is_due(self, role: StaticRole, state: StaticState) -> bool:
        """Whether the predecessor is to end now."""
        return self._is_due(self.retire_ms(role, state))

    def _is_due(self, at_ms: int | None) -> bool:
        return at_ms is not None and at_ms <= self._clock.now_ms()
