"""The command of `leasehold exec`: started, signalled, and started again."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType

import click

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_OF_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
_PASSED_ON = (*_ENDING, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Running:
    """The command, from before it is started.

    It is run by the main thread; another may signal it, and have it started again.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._starts = False
        self._early: list[signal.Signals] = []
        self._next: Mapping[str, str] | None = None
        self._one = threading.RLock()  # signal handlers come in between, and take it once more

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        restarted: Callable[[], None] = lambda: None,
    ) -> int:
        """Run it to its end: its exit code, as a shell tells it. Raises OSError.

        `restarted` is called each time when it has been started again.
        """
        self._starts = True
        child = self._start(command, environment)
        while True:
            code = child.wait()
            with self._one:
                if self._next is None:
                    return code if code >= 0 else 128 - code
                environment, self._next, self._child = self._next, None, None
            child = self._start(command, environment)
            restarted()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; one that comes too early is sent as soon as it runs."""
        with self._one:
            if self._child is None:
                self._early.append(number)
            else:
                self._child.send_signal(number)

    def end(self) -> None:
        """Have it end for good."""
        with self._one:
            self._next = None
            self.send(signal.SIGTERM)

    def restart(self, environment: Mapping[str, str], within_s: float) -> None:
        """Have it end, by SIGKILL after `within_s`, and started again with `environment`.

        It is not if it is told to end meanwhile.
        """
        with self._one:
            self._next = environment
            self.send(signal.SIGTERM)
            if self._child is not None:
                too_late = threading.Timer(within_s, self._child.kill)
                too_late.daemon = True
                too_late.start()

    @contextlib.contextmanager
    def passing_signals(self) -> Iterator[None]:
        """Pass signals on to it."""
        before = {number: signal.signal(number, self._pass_on) for number in _PASSED_ON}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _start(
        self, command: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(list(command), env=environment)  # noqa: S603 (the caller's)
        with self._one:
            self._child = child
            for number in self._early:
                child.send_signal(number)
            self._early.clear()
        return child

    def _pass_on(self, number: int, _: FrameType | None) -> None:
        if not self._starts:
            raise click.exceptions.Exit(128 + number)
        with self._one:
            if number in _ENDING:
                self._next = None
        # Whether the terminal's reached a command that is only just starting, nobody knows.
        if self._child is None or number not in _OF_TERMINAL or not _in_foreground():
            self.send(signal.Signals(number))


def _in_foreground() -> bool:
    """Whether a terminal sends its signals to us, and so to the command too."""
    try:
        with open("/dev/tty", "rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
