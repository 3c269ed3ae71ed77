"""The group of commands, found by name and imported when called, and what errors come to.

Exit codes: 0 done; 1 wrong usage, no daemon to ask, refused or failed; 2 something differs; 3 over
a safety limit; 4 stale; 5 somebody else is at it; 6 the policy is invalid; 7 partly done. An error
is one line on stderr, never a traceback.
"""

import errno
import importlib
import keyword
import sys

import click

from leasehold import __version__
from leasehold.cli.exits import FAILED, OF_ERRORS
from leasehold.cli.output import complain, examples
from leasehold.errors import LeaseholdError, PolicyRefused

"""By the error's code; any other error exits with FAILED."""

COMMANDS = {
    "acknowledge": "Say that the newest password of a static role is in use.",
    "apply": "Serve what the policy source has.",
    "approle": "Make secret ids for programs that log in by them.",
    "audit": "Verify the audit, and tell what it has on a lease.",
    "can-i": "Say whether somebody may do something, and by which rule.",
    "completion": "Print the completion script of a shell.",
    "demo": "Show a lease from issue to expiry, on private servers.",
    "drift": "Say where the world is not as it should be.",
    "drill": "Prove that roles work and that their accounts go.",
    "engines": "List the engines and how they fare.",
    "exec": "Run a command with a credential of its own.",
    "explain": "Say what was decided on a request, and why.",
    "generations": "List the policies that were applied.",
    "import": "Write the policy that another system's configuration comes to.",
    "incident": "Freeze what is compromised, end it, and report on that.",
    "lease": "List, look up, renew and revoke leases, as Vault's command does.",
    "leases": "List leases.",
    "login": "Get a token for where no kernel says who asks.",
    "metrics": "Print figures for Prometheus.",
    "openapi": "Print the interface as an OpenAPI document.",
    "orphans": "Find accounts without a lease, and remove them.",
    "plan": "Show what an apply would do.",
    "quarantine": "See what an older store does not know, and have it put right.",
    "quotas": "Show how much of each limit is used.",
    "read": "Issue a credential and print it.",
    "renew": "Move the end of a lease.",
    "revoke": "End leases now.",
    "rotate": "Give a static role another password.",
    "rotate-root": "Give an engine's administrator another password.",
    "rotations": "Show the passwords that leasehold rotates, and when.",
    "schema": "Print the JSON Schema of policies, for editors.",
    "seal": "Stop everything, and have the daemon forget its key.",
    "serve": "Run the daemon.",
    "token": "Look at tokens, make, renew and end them.",
    "status": "Say how the daemon fares, what is overdue first.",
    "unseal": "Have a sealed daemon start again.",
    "validate": "Check a policy without a daemon.",
    "who-can": "List who may do something.",
    "whoami": "Say what the daemon sees of you, and who that makes you.",
    "whois": "Say whose an account is, or was, and why it was made.",
}
"""Every command with its line in the help, so that showing the help imports none of them."""


class Commands(click.Group):
    """Commands by name: `leasehold.cli.<name>:<name>`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command called `cmd_name`; None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        name += "_" if keyword.iskeyword(name) else ""
        module = importlib.import_module(f"leasehold.cli.{name}")
        command: click.Command = getattr(module, name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words before the command's own."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.show()
            ctx.exit(FAILED)  # since click's own code, 2, says here that something differs

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; whatever goes wrong becomes one line and an exit code."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            error.show()
            ctx.exit(FAILED)  # since click's own code, 2, says here that something differs
        except (click.ClickException, click.exceptions.Exit, click.exceptions.Abort):
            raise
        except LeaseholdError as error:
            ctx.exit(_report(error))
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # click ends quietly when the reader of a pipe has gone
            place = f"{error.filename}: " if error.filename else ""
            complain(f"{place}{error.strerror or type(error).__name__}")
            ctx.exit(FAILED)
        except Exception as error:  # a defect: its text may hold anything, its place does not
            import traceback  # here, since it would cost every command its start

            frame = traceback.extract_tb(error.__traceback__)[-1]
            complain(
                f"internal error: {type(error).__name__} in {frame.name}"
                f" ({frame.filename}:{frame.lineno}); please report this line"
            )
            ctx.exit(FAILED)


def _report(error: LeaseholdError) -> int:
    for line in error.lines if isinstance(error, PolicyRefused) else ():
        click.echo(line, err=True)
    for line in str(error).splitlines():
        complain(line)
    return OF_ERRORS.get(error.code, FAILED)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "leasehold demo                                 try it, nothing to install",
        "leasehold validate policies/                   check a policy",
        "leasehold read database/creds/app-readonly     ask a running daemon",
    ),
)
@click.version_option(__version__, prog_name="leasehold")
def cli() -> None:
    """Credentials that die on their own.

    leasehold hands out short-lived credentials over a Unix socket and removes the account when the
    lease ends, whatever died in between.

    Exit codes: 0 done, 1 wrong usage, no daemon, refused or failed, 2 something differs (status:
    accounts are overdue), 3 over a safety limit (can-i: deny), 4 stale, 5 somebody else is at it, 6
    invalid policy, 7 partly done.
    """
    # A surrogate or a name in another script must not stop a listing on an ASCII terminal.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
