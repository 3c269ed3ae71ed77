"""P4: whatever happens to the clocks, lease time neither goes back nor is a lease extended."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fakes.clock import Machine
from fakes.leases import START_MS
from leasehold.clock import SETTLE_MS, SUSPECT_MS, Anchor, SystemClock, seconds_until

DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS
spans = st.integers(0, 40 * DAY_MS)
steps = st.sampled_from((-1, 1)).flatmap(
    lambda sign: st.sampled_from((1_000, 29_000, 31_000, 3_600_000, DAY_MS, 50 * YEAR_MS)).map(
        lambda ms: sign * ms
    )
)


def shown_ms(clock: SystemClock) -> int:
    return round(clock.wall(clock.now_ms()).timestamp() * 1000)


class ClockEvents(RuleBasedStateMachine):
    """`awake_ms` is how long the machine was on since the first start: what a lease must lose."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine()
        self.awake_ms = 0
        self.unsaved_ms = 0  # run since the last time something was written down
        self.start(None)
        self.began_ms = self.clock.now_ms()

    def start(self, saved: Anchor | None) -> None:
        """The daemon starts, and writes that down as the first thing."""
        self.clock = SystemClock(saved, self.machine.readings)
        self.latest_ms = self.clock.now_ms() if saved is None else saved.lease_ms
        self.write_down()

    def lose_what_was_not_saved(self) -> None:
        self.awake_ms -= self.unsaved_ms
        self.unsaved_ms = 0

    @rule(ms=spans)
    def run(self, ms: int) -> None:
        self.machine.run(ms)
        self.awake_ms += ms
        self.unsaved_ms += ms

    @rule(ms=steps)
    def set_the_wall_clock(self, ms: int) -> None:
        self.machine.step(ms)

    @rule()
    def look(self) -> None:
        self.clock.check()

    @rule()
    def acknowledge(self) -> None:
        self.clock.acknowledge()
        assert not self.clock.suspect
        assert shown_ms(self.clock) == self.machine.wall_ms

    @rule()
    def write_down(self) -> None:
        self.saved = self.clock.anchor()
        self.unsaved_ms = 0

    @rule()
    def restart_the_daemon(self) -> None:
        self.start(self.saved)

    @rule(off_ms=spans, rtc=st.none() | st.integers(0, 2 * START_MS))
    def reboot(self, off_ms: int, rtc: int | None) -> None:
        self.lose_what_was_not_saved()
        self.machine.reboot(off_ms, rtc_ms=rtc)
        self.start(self.saved)

    @rule(back_ms=st.integers(0, DAY_MS))
    def restore_the_machine_from_a_snapshot(self, back_ms: int) -> None:
        """The same boot again, every clock of the machine back; the daemon's files are newer."""
        self.lose_what_was_not_saved()
        back_ms = min(back_ms, self.machine.boot_ms)
        self.machine.boot_ms -= back_ms
        self.machine.wall_ms -= back_ms
        self.start(self.saved)

    @invariant()
    def lease_time_never_goes_back(self) -> None:
        now_ms = self.clock.now_ms()
        assert now_ms >= self.latest_ms
        self.latest_ms = now_ms

    @invariant()
    def no_lease_is_extended(self) -> None:
        assert self.clock.now_ms() - self.began_ms >= self.awake_ms


TestClockEvents = ClockEvents.TestCase


@given(st.lists(st.tuples(spans, steps), max_size=20))
def test_within_one_boot_lease_time_is_boot_time_whatever_the_wall_clock_does(events) -> None:
    machine = Machine()
    clock = SystemClock(None, machine.readings)
    began_ms, boot_ms = clock.now_ms(), machine.boot_ms
    for ran_ms, step_ms in events:
        machine.run(ran_ms)
        machine.step(step_ms)
        clock.check()
        assert clock.now_ms() - began_ms == machine.boot_ms - boot_ms


@given(st.integers(-SUSPECT_MS, SUSPECT_MS))
def test_a_small_drift_is_taken_over_at_once(drift_ms) -> None:
    machine = Machine()
    clock = SystemClock(None, machine.readings)
    machine.step(drift_ms)
    assert not clock.check()
    assert not clock.suspect
    assert shown_ms(clock) == machine.wall_ms


@given(st.integers(SUSPECT_MS + 1, YEAR_MS), st.sampled_from((-1, 1)))
def test_a_step_is_suspect_until_it_has_held(size_ms, sign) -> None:
    machine = Machine()
    clock = SystemClock(None, machine.readings)
    right = clock.wall(clock.now_ms())
    machine.step(sign * size_ms)
    assert clock.check()
    assert clock.suspect
    assert clock.wall(START_MS) == right, "the wall clock of before is shown meanwhile"
    machine.run(SETTLE_MS - 1)
    assert not clock.check()
    assert clock.suspect
    machine.run(1)
    assert clock.check()
    assert not clock.suspect
    assert shown_ms(clock) == machine.wall_ms


def test_a_step_that_goes_away_is_forgotten() -> None:
    machine = Machine()
    clock = SystemClock(None, machine.readings)
    machine.step(DAY_MS)
    clock.check()
    machine.step(-DAY_MS)
    assert clock.check()
    assert not clock.suspect


def test_every_further_step_begins_the_wait_anew() -> None:
    machine = Machine()
    clock = SystemClock(None, machine.readings)
    for _ in range(5):
        machine.step(DAY_MS)
        machine.run(SETTLE_MS - 1)
        clock.check()
        assert clock.suspect


def test_a_wall_clock_that_was_set_while_the_daemon_was_down_is_suspect() -> None:
    machine = Machine()
    saved = SystemClock(None, machine.readings).anchor()
    machine.run(1_000)
    machine.step(DAY_MS)
    assert SystemClock(saved, machine.readings).suspect


def test_a_reboot_with_a_dead_battery_is_suspect_and_a_plain_one_is_not() -> None:
    machine = Machine()
    saved = SystemClock(None, machine.readings).anchor()
    machine.reboot(60_000)
    assert not SystemClock(saved, machine.readings).suspect
    machine.reboot(60_000, rtc_ms=0)
    clock = SystemClock(saved, machine.readings)
    assert clock.suspect
    assert clock.now_ms() >= saved.lease_ms


def test_time_off_counts_against_leases_across_a_reboot() -> None:
    machine = Machine()
    saved = SystemClock(None, machine.readings).anchor()
    machine.reboot(DAY_MS)
    assert SystemClock(saved, machine.readings).now_ms() == saved.lease_ms + DAY_MS


def test_the_system_clock_reads_the_kernels_clocks() -> None:
    clock = SystemClock()
    assert clock.now_ms() <= clock.now_ms()
    assert clock.anchor().boot_id


def test_how_far_off_an_instant_is_goes_by_the_wall_clock() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=60)
    assert abs(seconds_until(soon) - 60) < 5
    assert abs(seconds_until(soon - timedelta(seconds=120)) + 60) < 5
