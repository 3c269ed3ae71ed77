"""`leasehold exec`: run a command with a credential, which ends with it.

A lease has a maximum, and the environment of a process that runs cannot be changed. So the user
says how a command comes to another credential: started again, by files that change, or not at all.
"""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Mapping, Sequence

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.credential_files import VARIABLE, CredentialFiles, credential_files
from leasehold.cli.field_options import fields_option, given, reason_option
from leasehold.cli.output import complain, examples
from leasehold.cli.running import Running
from leasehold.client.credential import HeldCredential
from leasehold.errors import Invalid, LeaseholdError
from leasehold.secret import Secret

LEASE_ID = "lease_id"
"""The file that names the lease, so that the command can acknowledge it."""
_SIGNALS = {
    name: signal.Signals[f"SIG{name}"]
    for name in ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH")
}


@click.command(
    "exec",
    epilog=examples(
        "leasehold exec database/creds/app --env PGUSER=username --env PGPASSWORD=password -- psql",
        "leasehold exec database/creds/app --files -- ./report",
        "leasehold exec database/creds/app --files --signal HUP -- ./server",
    ),
)
@click.argument("path")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--env", "variables", metavar="NAME=FIELD", multiple=True, help="Set a variable.")
@click.option("--files", is_flag=True, help=f"Write each field to a file in ${VARIABLE}.")
@click.option(
    "--restart", is_flag=True, help="Start COMMAND again with the next credential, after SIGTERM."
)
@click.option(
    "--signal",
    "name",
    metavar="NAME",
    help="Send COMMAND this signal, such as HUP, when its files are the next credential's.",
)
@click.option(
    "--reread", is_flag=True, help="COMMAND sees by itself that its files are the next one's."
)
@click.option("--ttl", metavar="SPAN", help="Ask for another life between renewals, such as 15m.")
@reason_option
@fields_option
@daemon_option
def exec(
    path: str,
    command: Sequence[str],
    variables: Sequence[str],
    files: bool,
    restart: bool,
    name: str | None,
    reread: bool,
    ttl: str | None,
    reason: str | None,
    fields: Mapping[str, str],
    daemon: Daemon,
) -> None:
    """Run a command with a credential of its own.

    PATH is mount/creds/role. The lease is renewed while COMMAND runs and revoked when it has ended.
    Signals are passed on. When the lease ends before the command, the command gets SIGTERM.

    With --restart, --signal or --reread another credential takes its place before that.

    The exit code is the command's, or 128 and the number of the signal that ended it.
    """
    if not variables and not files:
        raise Invalid("the command would not get the credential; add --env NAME=FIELD or --files")
    number = None if name is None else _signal(name)
    if restart + (number is not None) + reread > 1:
        raise Invalid("--restart, --signal, --reread: allowed is one of them")
    if (number is not None or reread) and (variables or not files):
        raise Invalid(
            f"--{'reread' if reread else 'signal'}: the environment of a command that runs cannot"
            " be changed; give --files and no --env, or --restart"
        )
    logging.basicConfig(format="leasehold: %(message)s", level=logging.WARNING)
    wanted = dict(_pair(each) for each in variables)
    running = Running()
    with (
        running.passing_signals(),
        credential_files() if files else contextlib.nullcontext() as written,
    ):
        handing = _Handing(running, wanted, written, restart, number)
        with daemon().credential(
            path,
            ttl,
            lambda _: running.end(),
            on_replaced=handing.replaced if restart or reread or number is not None else None,
            fields=given(fields, reason),
        ) as credential:
            code = running.run(command, handing.environment(credential), credential.acknowledge)
    raise click.exceptions.Exit(code)


class _Handing:
    """How the command gets a credential: the first, and those that take its place."""

    def __init__(
        self,
        running: Running,
        wanted: Mapping[str, str],
        files: CredentialFiles | None,
        restart: bool,
        number: signal.Signals | None,
    ) -> None:
        self._running = running
        self._wanted = wanted
        self._files = files
        self._restart = restart
        self._number = number
        self._one = threading.Lock()

    def environment(self, credential: HeldCredential) -> Mapping[str, str]:
        """The command's environment with it; the files are written. Raises OSError, Invalid."""
        with self._one:
            fields = credential.fields
            environment = {**os.environ, **_values(fields, self._wanted)}
            if self._files is not None:
                texts = {name: value.reveal() for name, value in fields.items()}
                self._files.write({LEASE_ID: credential.lease_id, **texts})
                environment[VARIABLE] = str(self._files.path)
            return environment

    def replaced(self, credential: HeldCredential) -> None:
        """Give the command the next one."""
        try:
            environment = self.environment(credential)
        except (OSError, LeaseholdError) as error:
            complain(f"the command ends, since it cannot get the next credential: {error}")
            self._running.end()
            return
        if self._restart:
            self._running.restart(environment, within_s=credential.grace_s)
        elif self._number is not None:
            self._running.send(self._number)


def _pair(text: str) -> tuple[str, str]:
    name, equals, field = text.partition("=")
    if not (name.isidentifier() and name.isascii() and equals and field):
        raise Invalid(f"--env: found '{text[:60]}'; allowed is NAME=FIELD: DB_USER=username")
    return name, field


def _signal(name: str) -> signal.Signals:
    number = _SIGNALS.get(name.upper().removeprefix("SIG"))
    if number is None:
        raise Invalid(f"--signal: found '{name[:20]}'; allowed is one of {', '.join(_SIGNALS)}")
    return number


def _values(fields: Mapping[str, Secret], wanted: Mapping[str, str]) -> dict[str, str]:
    for field in wanted.values():
        if field not in fields:
            raise Invalid(f"--env: no field {field[:60]}; there are {', '.join(sorted(fields))}")
    return {name: fields[field].reveal() for name, field in wanted.items()}
