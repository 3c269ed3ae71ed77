"""`leasehold lease replace` and `acknowledge`: one lease after another, without a gap."""

import click

from leasehold.cli.asking import Daemon, daemon_option
from leasehold.cli.output import examples, json_option, warn
from leasehold.cli.read import show


@click.command(
    "replace", epilog=examples("leasehold lease replace database/creds/app-readonly/01k…")
)
@click.argument("lease_id")
@click.option("--ttl", "-ttl", metavar="SPAN", help="Ask for another life, such as 15m.")
@json_option
@daemon_option
def replace(lease_id: str, ttl: str | None, as_json: bool, daemon: Daemon) -> None:
    """Issue a credential in the place of one that ends soon, and print it.

    Both work until the new lease is acknowledged, or for the role's grace. A terminal gets a table,
    a pipe gets JSON.
    """
    credential = daemon().replace(lease_id, ttl)
    warn(credential.warnings)
    show(credential, as_json=as_json)
    told = f"{credential.replaces} lives for {credential.replaces_s} s, or until this is done:"
    click.echo(f"leasehold: {told} leasehold lease acknowledge {credential.lease_id}", err=True)


@click.command(
    "acknowledge",
    epilog=examples("leasehold lease acknowledge database/creds/app-readonly/01k…"),
)
@click.argument("lease_id")
@daemon_option
def acknowledge(lease_id: str, daemon: Daemon) -> None:
    """End the lease that another one replaced, since the new credential is in use.

    LEASE_ID is that of the new lease.
    """
    if not daemon().acknowledge_lease(lease_id):
        click.echo("leasehold: the end of the lease before it is queued", err=True)
