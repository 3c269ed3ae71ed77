"""`leasehold acknowledge`: say that the newest password of a static role is in use."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples
from leasehold.errors import Invalid


@click.command(
    "acknowledge",
    epilog=examples("leasehold acknowledge database/static-creds/billing"),
)
@click.argument("role")
@daemon_option
def acknowledge(role: str, daemon: Daemon) -> None:
    """Say that you use the newest password of a static role.

    ROLE is its path, such as database/static-creds/billing. When everybody who has read the last
    one has said so, the account that it belongs to ends its grace.
    """
    if role.strip("/").count("/") != 2:
        raise Invalid(f"{role}: is no path of a static role, such as database/static-creds/billing")
    found = daemon().acknowledge(role)
    waiting = ", ".join(found["waiting_for"])
    if found["predecessor"] is None:
        click.echo("acknowledged; nothing lives on beside it")
    elif waiting:
        click.echo(f"acknowledged; {found['predecessor']} lives on for {waiting}")
    else:
        click.echo(f"acknowledged; {found['predecessor']} ends now")
