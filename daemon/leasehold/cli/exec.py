"""`leasehold exec`: run a command with a credential, which ends with it."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples
from leasehold.errors import ConfigError, Invalid
from leasehold.secret import Secret

DIRECTORY = "LEASEHOLD_CREDENTIALS"
"""The variable that says where the files are."""
_PASSED_ON = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_OF_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
_MEMORY = "/dev/shm"  # noqa: S108 (a directory of our own is made in it)


@click.command(
    "exec",
    epilog=examples(
        "leasehold exec database/creds/app --env PGUSER=username --env PGPASSWORD=password -- psql",
        "leasehold exec database/creds/app --files -- ./report",
    ),
)
@click.argument("path")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--env", "variables", metavar="NAME=FIELD", multiple=True, help="Set a variable.")
@click.option("--files", is_flag=True, help=f"Write each field to a file in ${DIRECTORY}.")
@click.option("--ttl", metavar="SPAN", help="Ask for another life between renewals, such as 15m.")
@daemon_option
def exec(
    path: str,
    command: Sequence[str],
    variables: Sequence[str],
    files: bool,
    ttl: str | None,
    daemon: Daemon,
) -> None:
    """Run a command with a credential of its own.

    PATH is mount/creds/role. The lease is renewed while COMMAND runs and revoked when it has ended.
    Signals are passed on. When the lease ends before the command, the command gets SIGTERM.

    The exit code is the command's, or 128 and the number of the signal that ended it.
    """
    if not variables and not files:
        raise Invalid("the command would not get the credential; add --env NAME=FIELD or --files")
    wanted = dict(_pair(each) for each in variables)
    running = Running()
    with (
        running.passing_signals(),
        daemon().credential(path, ttl, lambda _: running.send(signal.SIGTERM)) as credential,
        _written(credential.fields if files else {}) as directory,
    ):
        environment = {**os.environ, **directory, **_values(credential.fields, wanted)}
        code = running.run(command, environment)
    raise click.exceptions.Exit(code)


def _pair(text: str) -> tuple[str, str]:
    name, equals, field = text.partition("=")
    if not (name.isidentifier() and name.isascii() and equals and field):
        raise Invalid(f"--env: found '{text[:60]}'; allowed is NAME=FIELD: DB_USER=username")
    return name, field


def _values(fields: Mapping[str, Secret], wanted: Mapping[str, str]) -> dict[str, str]:
    for field in wanted.values():
        if field not in fields:
            raise Invalid(f"--env: no field {field[:60]}; there are {', '.join(sorted(fields))}")
    return {name: fields[field].reveal() for name, field in wanted.items()}


@contextlib.contextmanager
def _written(fields: Mapping[str, Secret]) -> Iterator[Mapping[str, str]]:
    """The fields in files that nobody else can read, in memory; the variable that names where."""
    if not fields:
        yield {}
        return
    folder = Path(tempfile.mkdtemp(prefix="leasehold-", dir=_memory()))
    try:
        for name, value in fields.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(folder / name, flags, 0o600), "w") as file:
                file.write(value.reveal())
        yield {DIRECTORY: str(folder)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _memory() -> str:
    """Where files are in memory and never on a disk. Raises ConfigError."""
    for place in filter(None, (os.environ.get("XDG_RUNTIME_DIR"), _MEMORY)):
        with contextlib.suppress(OSError):
            if stat.S_ISDIR(os.stat(place).st_mode) and os.access(place, os.W_OK):
                return place
    raise ConfigError(f"--files: neither $XDG_RUNTIME_DIR nor {_MEMORY} is there; use --env")


class Running:
    """The command, from before it is started."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._starts = False
        self._early: list[signal.Signals] = []
        self._one = threading.RLock()  # signal handlers come in between, and take it once more

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run it to its end: its exit code, as a shell tells it. Raises OSError."""
        self._starts = True
        child = subprocess.Popen(list(command), env=environment)  # noqa: S603 (the caller's)
        with self._one:
            self._child = child
            for number in self._early:
                child.send_signal(number)
        code = child.wait()
        return code if code >= 0 else 128 - code

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; one that comes too early is sent as soon as it runs."""
        with self._one:
            if self._child is None:
                self._early.append(number)
            else:
                self._child.send_signal(number)

    @contextlib.contextmanager
    def passing_signals(self) -> Iterator[None]:
        """Pass signals on to it."""
        numbers = [signal.Signals[name] for name in _PASSED_ON]
        before = {number: signal.signal(number, self._pass_on) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _pass_on(self, number: int, _: FrameType | None) -> None:
        if not self._starts:
            raise click.exceptions.Exit(128 + number)
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
