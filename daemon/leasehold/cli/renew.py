"""`leasehold renew`: move the end of a lease."""

from pathlib import Path

import click

from leasehold.cli.asking import socket_option
from leasehold.cli.output import examples, json_option, print_json, span
from leasehold.client import Client


@click.command(
    "renew",
    epilog=examples("leasehold renew database/creds/app-readonly/01k… --increment 30m"),
)
@click.argument("lease_id")
@click.option("--increment", metavar="SPAN", help="From now, such as 30m; else the role's default.")
@json_option
@socket_option
def renew(lease_id: str, increment: str | None, as_json: bool, socket: Path) -> None:
    """Move the end of a lease.

    The new end never passes the longest life that the policy gives the lease.
    """
    renewed = Client(socket).renew(lease_id, increment)
    for warning in renewed.warnings:
        click.echo(f"leasehold: warning: {warning}", err=True)
    if as_json:
        print_json(
            {
                "lease_id": renewed.lease_id,
                "lease_duration": renewed.ttl_s,
                "renewable": renewed.renewable,
            }
        )
    else:
        click.echo(f"{renewed.lease_id} ends in {span(renewed.ttl_s)}")
