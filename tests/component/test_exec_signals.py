"""A signal to `leasehold exec` reaches the command, whenever it comes."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import click
import pytest

from leasehold.cli.running import Running
from servers.daemon import eventually

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
    running.end()
    assert running.run(WAITS, dict(os.environ)) == 128 + signal.SIGTERM


def test_a_signal_before_there_is_anything_to_start_ends_us() -> None:
    running = Running()
    with running.passing_signals(), pytest.raises(click.exceptions.Exit) as ended:
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.exit_code == 128 + signal.SIGTERM


def when_it_stands(ready: Path, act: Callable[[], None]) -> threading.Thread:
    """Act, from another thread, when the command has made the file."""

    def wait() -> None:
        eventually(ready.exists, what="the command")
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_command_that_does_not_end_in_time_is_killed_and_started_again(tmp_path: Path) -> None:
    ready, running, restarts = tmp_path / "ready", Running(), []
    code = f"test $AGAIN && exit 5; trap '' TERM; touch {ready}; exec sleep 60"
    again = {**os.environ, "AGAIN": "yes"}
    acting = when_it_stands(ready, lambda: running.restart(again, within_s=0.2))
    environment = {**os.environ, "AGAIN": ""}
    assert running.run(["sh", "-c", code], environment, lambda: restarts.append(1)) == 5
    assert restarts == [1]
    acting.join()


def test_a_command_that_is_told_to_end_meanwhile_is_not_started_again(tmp_path: Path) -> None:
    ready, running = tmp_path / "ready", Running()
    seen = tmp_path / "seen"
    code = (
        f"n=0; trap 'n=$((n+1)); touch {seen}; test $n = 2 && exit 9' TERM; touch {ready};"
        " while :; do sleep 0.02; done"
    )

    def restart_and_stop() -> None:
        running.restart({**os.environ}, within_s=60)
        eventually(seen.exists, what="the SIGTERM of the restart")
        os.kill(os.getpid(), signal.SIGTERM)

    with running.passing_signals():
        acting = when_it_stands(ready, restart_and_stop)
        assert running.run(["sh", "-c", code], dict(os.environ)) == 9
    acting.join()


def test_a_command_that_loses_its_credential_while_it_is_started_again_ends(
    tmp_path: Path,
) -> None:
    ready, running = tmp_path / "ready", Running()
    acting = when_it_stands(ready, lambda: (running.restart({}, 60), running.end())[1])
    code = f"touch {ready}; exec sleep 60"
    assert running.run(["sh", "-c", code], dict(os.environ)) == 128 + signal.SIGTERM
    acting.join()
