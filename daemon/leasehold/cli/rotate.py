"""`leasehold rotate`: another password for a static role."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples
from leasehold.errors import Invalid


@click.command(
    "rotate",
    epilog=examples(
        "leasehold rotate database/static-creds/billing",
        "leasehold rotate database/static-creds/billing --force    # what lives on ends too",
    ),
)
@click.argument("role")
@click.option(
    "--force", is_flag=True, help="Also while the last password of a pair lives on, which ends."
)
@daemon_option
def rotate(role: str, force: bool, daemon: Daemon) -> None:
    """Give a static role another password, now.

    ROLE is its path, such as database/static-creds/billing. A login has proved the password when
    this returns.
    """
    if role.strip("/").count("/") != 2:
        raise Invalid(f"{role}: is no path of a static role, such as database/static-creds/billing")
    daemon().rotate(role, force=force)
    click.echo(f"{role}: rotated")
