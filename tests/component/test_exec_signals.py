"""A signal to `leasehold exec` reaches the command, whenever it comes."""

import os
import signal
import sys
from types import FrameType

import click
import pytest

from leasehold.cli.exec import Running

WAITS = ["sleep", "60"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_while_the_command_is_started_is_sent_to_it(
    number: signal.Signals,
) -> None:
    def once_it_runs(frame: FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code.co_name == "_execute_child":
            sys.setprofile(None)
            signal.raise_signal(number)

    running = Running()
    with running.passing_signals():
        sys.setprofile(once_it_runs)
        try:
            code = running.run(WAITS, dict(os.environ))
        finally:
            sys.setprofile(None)
    assert code == 128 + number


def test_what_is_lost_before_the_command_is_started_ends_it_as_soon_as_it_runs() -> None:
    running = Running()
    running.send(signal.SIGTERM)
    assert running.run(WAITS, dict(os.environ)) == 128 + signal.SIGTERM


def test_a_signal_before_there_is_anything_to_start_ends_us() -> None:
    running = Running()
    with running.passing_signals(), pytest.raises(click.exceptions.Exit) as ended:
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.exit_code == 128 + signal.SIGTERM
